"""``pigeon-edge export``: from a model to a bundle. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import command_group, examples
from pigeon_edge.files import to_json
from pigeon_export.engine.command import EXAMPLES, engine

app = command_group("From a model to a bundle, and to an engine on the device.")
adopt = command_group("Public weights to a bundle, without any training.")
app.add_typer(adopt, name="adopt")

OutOption = Annotated[Path, typer.Option("--out", help="The bundle to write: NAME.pigeon.")]
ImagesOption = Annotated[
    Path | None,
    typer.Option("--images", help="Photographs to calibrate on, a folder or manifest; without, only weights are int8."),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Photographs to measure on, at even distances.")]


class Refinement(str, Enum):
    """How retrieval refines: as published, with PIGEON's or PIGEOTTO's own values, or by gated cells."""

    PAPER = "paper"
    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    GATED = "gated"


@app.command(epilog=examples("pigeon-edge export onnx model --out encoder.onnx"))
def onnx(
    model: Annotated[str, typer.Argument(help="A CLIP folder or hub id in transformers' format, or `fit`'s output.")],
    out: Annotated[Path, typer.Option("--out", help="The graph to write.")],
) -> None:
    """Write a vision tower, and its heads where it has some, as one ONNX graph from pixels to geocell logits."""
    from pigeon_export.to_onnx import export_folder

    export_folder(model, out)
    say(f"pigeon-edge: wrote {out}, {out.stat().st_size / 1e6:.1f} MB")


@app.command(epilog=examples("pigeon-edge export half encoder.onnx --out encoder.fp16.onnx --images photographs"))
def half(
    graph: Annotated[Path, typer.Argument(help="A graph in float32, or an int8 one with float32 between its linears.")],
    out: Annotated[Path, typer.Option("--out", help="The graph to write.")],
    images: Annotated[
        Path | None, typer.Option("--images", help="Photographs to measure it on, a folder or manifest; without, none.")
    ] = None,
    limit: LimitOption = 64,
) -> None:
    """Bring a graph to half precision, strongly typed, as TensorRT wants it; what sums up stays in float32.

    With photographs it is written only if it is as near to its source as half precision allows.
    """
    from pigeon_export.halving import halve

    halve(graph, out, images, limit)


@app.command(
    epilog=examples("pigeon-edge export lint encoder.onnx encoder.int8.onnx", "pigeon-edge export lint *.onnx --json")
)
def lint(
    graphs: Annotated[list[Path], typer.Argument(help="Graphs to check.")],
    json: Annotated[bool, typer.Option("--json", help="Print the findings of each file as JSON.")] = False,
) -> None:
    """Check graphs against TensorRT's rules: one finding a line, exit code 7 where there are some.

    What cannot be read is told at the end, with exit code 4.
    """
    from pigeon_export.linting import lint_files

    linted = lint_files(graphs)
    findings = linted.findings
    lines = [f"{path}: {finding}" for path, found in findings.items() for finding in found]
    typer.echo(to_json(findings) if json else "".join(f"{line}\n" for line in lines), nl=False)
    linted.check()
    say(f"pigeon-edge: {len(findings)} {'graph keeps' if len(findings) == 1 else 'graphs keep'} the rules")


@app.command(
    epilog=examples(
        "pigeon-edge export parity model encoder.onnx encoder.fp16.onnx encoder.int8.onnx --images photographs",
        "pigeon-edge export parity encoder.onnx encoder.int8.onnx --images photographs --json",
    )
)
def parity(
    reference: Annotated[str, typer.Argument(help="What `export onnx` took (computed by torch), or a graph (.onnx).")],
    graphs: Annotated[list[Path], typer.Argument(help="Graphs made of it, of any precision.")],
    images: Annotated[Path, typer.Option("--images", help="Photographs, a folder or manifest.")],
    limit: LimitOption = 64,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Measure how near graphs are to their reference, by every engine here; exit code 7 where one falls short.

    The tolerance is that of a graph's precision. Half precision is computed with every rounding written out, which no
    engine on a processor does by itself.
    """
    from pigeon_export.measuring import measure_graphs, say_engines, say_unreadable, table

    report = measure_graphs(reference, graphs, images, limit)
    typer.echo(to_json(report.to_json()) if json else f"{table(report)}\n", nl=False)
    say_engines(report)
    say_unreadable(report)
    report.check()


@app.command(
    epilog=examples(
        "pigeon-edge export pack --encoder encoder.int8.onnx --cells cells --gallery gallery \\",
        "  --probes samples --name europe --refinement gated --out europe.pigeon",
    )
)
def pack(
    encoder: Annotated[Path, typer.Option("--encoder", help="The quantized graph that ships.")],
    cells: Annotated[Path, typer.Option("--cells", help="The folder that `train cells` wrote.")],
    gallery: Annotated[Path, typer.Option("--gallery", help="The folder that `train gallery` wrote.")],
    probes: Annotated[Path, typer.Option("--probes", help="Photographs for the bundle's self-test.")],
    out: Annotated[Path, typer.Option("--out", help="The bundle to write: NAME.pigeon.")],
    name: Annotated[str, typer.Option("--name", help="What the bundle is called.")],
    full_precision: Annotated[Path | None, typer.Option("--full-precision", help="The graph's FP32 twin.")] = None,
    confidence: Annotated[Path | None, typer.Option("--confidence", help="What `calibrate confidence` fitted.")] = None,
    evaluation: Annotated[Path | None, typer.Option("--evaluation", help="What `train evaluate` measured.")] = None,
    calibration: Annotated[Path | None, typer.Option("--calibration", help="The report of `calibrate int8`.")] = None,
    about: Annotated[str, typer.Option("--about", help="A sentence for the model card.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Of the weights.")] = "not stated",
    data_licence: Annotated[str, typer.Option("--data-licence", help="Of the photographs.")] = "not stated",
    refinement: Annotated[Refinement, typer.Option("--refinement", help="How retrieval refines.")] = Refinement.PAPER,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Not gated: geocells considered.")] = None,
    max_move_km: Annotated[float | None, typer.Option("--max-move-km", min=0.0, help="Not gated: its reach.")] = None,
    neighbours: Annotated[
        int | None, typer.Option("--neighbours", min=1, help="Gated: photographs that count.")
    ] = None,
    score_km: Annotated[float | None, typer.Option("--score-km", min=1e-6, help="Gated: how near is near.")] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=1e-6, help="Of prototype distances; gated: of similarities.")
    ] = None,
) -> None:
    """Gather the parts of a bundle, check them and seal it."""
    from pigeon_export.pack import Naming, Parts
    from pigeon_export.pack import pack as pack_bundle
    from pigeon_export.refinement import refinement_of

    asked = {"top_k": top_k, "max_move_km": max_move_km, "neighbours": neighbours, "score_km": score_km,
             "temperature": temperature}  # fmt: skip
    parts = Parts(encoder, cells, gallery, probes, full_precision, confidence, evaluation, calibration)
    naming = Naming(name, about, {"weights": licence, "data": data_licence})
    pack_bundle(parts, naming, refinement_of(refinement.value, asked, encoder, probes), out)
    _say_bundle(out)


@adopt.command(
    epilog=examples(
        "pigeon-edge export adopt streetclip geolocal/StreetCLIP --places cities.csv --out street.pigeon",
        "pigeon-edge export adopt streetclip clip --places cities.csv --per-country 30 --images photos \\",
        "  --out street.pigeon",
    )
)
def streetclip(
    model: Annotated[str, typer.Argument(help="A CLIP model with its tokenizer: a folder, or an id of the hub.")],
    places: Annotated[
        Path, typer.Option("--places", help="CSV: name, admin1, country, country_code, lat, lng, population.")
    ],
    out: OutOption,
    images: ImagesOption = None,
    per_country: Annotated[
        int | None, typer.Option("--per-country", min=1, help="Towns of each country, the most populous; all.")
    ] = None,
) -> None:
    """Make a bundle of StreetCLIP, or of any CLIP model, whose geocells are the towns of a table.

    The head is the text embeddings of the towns' captions. The weights of StreetCLIP are CC BY-NC 4.0.
    """
    from pigeon_export.adopt import adopt_streetclip

    adopt_streetclip(model, places, out, images, per_country)
    _say_bundle(out)


@adopt.command(
    epilog=examples(
        "pigeon-edge export adopt geoclip site-packages/geoclip/model --places cities.csv --out geoclip.pigeon",
    )
)
def geoclip(
    folder: Annotated[Path, typer.Argument(help="GeoCLIP's release, or the folder geoclip/model of its package.")],
    out: OutOption,
    images: ImagesOption = None,
    backbone: Annotated[
        str | None, typer.Option("--backbone", help="Its CLIP model, a folder or hub id; the one it names.")
    ] = None,
    places: Annotated[Path | None, typer.Option("--places", help="CSV of towns to name the answers after.")] = None,
) -> None:
    """Make a bundle of GeoCLIP whose geocells are the points of its gallery. Code and weights of GeoCLIP are MIT."""
    from pigeon_export.adopt import adopt_geoclip

    adopt_geoclip(folder, out, images, backbone, places)
    _say_bundle(out)


app.command("engine", epilog=EXAMPLES)(engine)


def _say_bundle(out: Path) -> None:
    from pigeon_edge.bundle.format import open_bundle

    bundle = open_bundle(out)
    say(f"pigeon-edge: {bundle.label}, {sum(size for size, _ in bundle.files.values()) / 1e6:.1f} MB in {out}")
