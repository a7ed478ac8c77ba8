"""``pigeon-edge calibrate``: an int8 graph, and the verdict on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pigeon_edge.cli.console import progress, say
from pigeon_edge.cli.group import command_group, examples
from pigeon_edge.errors import GateError, UsageError
from pigeon_edge.files import replacing, sha256_of, write_json

if TYPE_CHECKING:
    from pigeon_calibration.gate import Thresholds
    from pigeon_calibration.observe import Photographs
    from pigeon_edge.preprocess import Pixels

app = command_group("Make an int8 graph that passes its gate, and fit honest confidence.")


@app.command(epilog=examples("pigeon-edge calibrate int8 encoder.onnx --images photographs --out encoder.int8.onnx"))
def int8(
    graph: Annotated[Path, typer.Argument(help="Full-precision graph, from `export onnx`.")],
    images: Annotated[Path, typer.Option(help="Folder of photographs, or a manifest (CSV with path, lat, lng).")],
    out: Annotated[Path, typer.Option(help="Where the int8 graph goes, if it passes.")],
    report: Annotated[Path | None, typer.Option(help="Where the report goes; beside --out by default.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Photographs to calibrate on, and as many to judge by.")] = 256,
) -> None:
    """Quantize a graph's linears to int8 and judge the result on photographs that it was not calibrated on."""
    from pigeon_calibration.gate import INT8_THRESHOLDS

    report = report or out.with_suffix(".report.json")
    calibrate_int8(graph, images, out=out, report=report, limit=limit, thresholds=INT8_THRESHOLDS)


def calibrate_int8(graph: Path, images: Path, *, out: Path, report: Path, limit: int, thresholds: Thresholds) -> None:
    """Write the int8 graph if it reaches ``thresholds``, and the report in either case.

    Raises InputError for a graph or photographs that cannot be used, UsageError where two of the files are the same,
    GateError where the int8 graph falls short.
    """
    import onnx

    from pigeon_calibration import gate, observe, quantize, ranges, sample

    _check_distinct(graph, out, report)
    model = observe.load_graph(graph)
    spec, tensors = observe.preprocess_spec(model), quantize.linear_inputs(model)
    chosen = sample.choose(observe.list_photographs(images), limit)
    calibration, judged = observe.Photographs(chosen.calibration, spec), observe.Photographs(chosen.gate, spec)
    maxima = observe.absolute_maxima(model, tensors, _with_progress(calibration, "batches observed"))
    scales = ranges.scales_of_maxima(maxima)
    int8_model = quantize.quantize(model, scales)
    parity = gate.measure(model, int8_model, _with_progress(judged, "batches judged"))
    unreadable = [str(path) for path in calibration.unreadable + judged.unreadable]
    evidence = gate.Evidence("max", len(calibration.used), _sha256_of_set(calibration.used), sha256_of(graph), scales)
    write_json(report, {**gate.report(parity, thresholds, evidence), "unreadable": unreadable})
    say(f"pigeon-edge: {gate.verdict(parity, thresholds)}{_unreadable(unreadable)}")
    if thresholds.misses(parity):
        raise GateError(
            f"{out}: not written, int8 fell short of the gate; see {report}, or calibrate on more photographs"
        )
    with replacing(out) as scratch:
        onnx.save_model(int8_model, str(scratch))


def _check_distinct(graph: Path, out: Path, report: Path) -> None:
    if len({path.resolve() for path in (graph, out, report)}) < 3:
        raise UsageError(f"{graph}, {out}, {report}: the graph, --out and --report must be three files; name others")


def _with_progress(photographs: Photographs, unit: str) -> Iterator[Pixels]:
    return progress(photographs.batches(), photographs.batch_count, unit)


def _unreadable(paths: list[str]) -> str:
    return f"; {len(paths)} unreadable, {paths[0]} first" if paths else ""


def _sha256_of_set(paths: list[Path]) -> str:
    """Return one SHA-256 of a set of files: of their own, sorted, so that names and order do not count."""
    digests = sorted(sha256_of(path) for path in paths)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


@app.command(
    epilog=examples(
        "pigeon-edge calibrate confidence --bundle draft.pigeon --manifest photos.csv --out confidence.json"
    )
)
def confidence(
    bundle: Annotated[Path, typer.Option(help="The bundle whose answers are to be judged.")],
    manifest: Annotated[Path, typer.Option(help="Photographs with known coordinates: CSV with path, lat, lng.")],
    out: Annotated[Path, typer.Option(help="The confidence settings to write, for `export pack --confidence`.")],
) -> None:
    """Fit temperature and radius on the manifest's validation split, through the bundle's own int8 graph."""
    from pigeon_calibration.confidence import fit_confidence
    from pigeon_edge.bundle import open_bundle
    from pigeon_edge.gallery import open_gallery
    from pigeon_edge.locator import open_locator
    from pigeon_edge.photo_manifest import Split, read_manifest

    rows = [row for row in read_manifest(manifest) if row.split is Split.VALIDATION]
    opened = open_bundle(bundle)
    settings = fit_confidence(open_locator(opened), open_gallery(opened), rows)
    write_json(out, vars(settings))
    typer.echo(
        f"{out}: temperature {settings.temperature:g}, radius {settings.radius_scale:g} times the spread, "
        f"for {settings.coverage:.0%} of {settings.fitted_on} photographs",
        err=True,
    )
