"""``pigeon-edge calibrate``: an int8 graph, and the verdict on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.group import command_group, examples

app = command_group("Make an int8 graph that passes its gate, and fit honest confidence.")


@app.command(epilog=examples("pigeon-edge calibrate int8 encoder.onnx --images photographs --out encoder.int8.onnx"))
def int8(
    graph: Annotated[Path, typer.Argument(help="Full-precision graph, from `export onnx`.")],
    images: Annotated[Path, typer.Option(help="Folder of photographs, or a manifest (CSV with path, lat, lng).")],
    out: Annotated[Path, typer.Option(help="Where the int8 graph goes, if it passes.")],
    report: Annotated[Path | None, typer.Option(help="Where the report goes; beside --out by default.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Photographs to calibrate on, and as many to judge by.")] = 256,
    seed: Annotated[int, typer.Option(help="Another draw of photographs.")] = 0,
    cells: Annotated[
        Path | None, typer.Option(help="The folder that `train cells` wrote: the report then tells kilometres.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep here what is observed: an interrupted run goes on, a second one is quick.")
    ] = None,
) -> None:
    """Quantize a graph's linears to int8 and judge the result on photographs that it was not calibrated on."""
    from pigeon_calibration.gate.thresholds import INT8_THRESHOLDS
    from pigeon_calibration.int8.calibrate import Choices, calibrate_int8

    report = report or out.with_suffix(".report.json")
    choices = Choices(limit, INT8_THRESHOLDS, seed, cells, cache)
    calibrate_int8(graph, images, out=out, report=report, choices=choices)


@app.command(
    epilog=examples(
        "pigeon-edge calibrate confidence --bundle draft.pigeon --manifest photos.csv --out confidence.json \\",
        "  --report confidence.report.json --plot confidence.png",
    )
)
def confidence(
    bundle: Annotated[Path, typer.Option(help="The bundle whose answers are to be judged.")],
    manifest: Annotated[Path, typer.Option(help="Photographs with known coordinates: CSV with path, lat, lng.")],
    out: Annotated[Path, typer.Option(help="The confidence settings to write, for `export pack --confidence`.")],
    report: Annotated[Path | None, typer.Option(help="Write the coverage report (JSON) here.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it here (PNG).")] = None,
    risk: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="How many of the answers that claim a distance may be wrong.")
    ] = 0.1,
) -> None:
    """Fit temperature, radii and claims on the manifest's validation split, through the bundle's own int8 graph.

    Half of the truths lie within the smaller radius, 90 % within the larger. An answer may claim 25, 200, 750 or 2500
    km where at most RISK of those that do are wrong. Both are checked on the test split, or on half of the validation
    split where there is none. The promise is for photographs like those of the manifest.
    """
    from pigeon_calibration.confidence.calibrate import Files, calibrate_confidence

    calibrate_confidence(bundle, manifest, Files(out, report, plot), risk)
