"""``export pack``: parts to a sealed bundle."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.group import examples
from pigeon_export.cli.options import say_bundle


class Refinement(str, Enum):
    """How retrieval refines: as published, with PIGEON's or PIGEOTTO's own values, or by gated cells."""

    PAPER = "paper"
    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    GATED = "gated"


PACK_EXAMPLES = examples(
    "pigeon-edge export pack --encoder encoder.int8.onnx --cells cells --gallery gallery \\",
    "  --probes samples --name europe --refinement gated --out europe.pigeon",
)


def pack(
    encoder: Annotated[
        Path, typer.Option("--encoder", help="The graph that ships; int8, or full precision where INT8 fell short.")
    ],
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
    from pigeon_export.pack.pack import Naming, Parts
    from pigeon_export.pack.pack import pack as pack_bundle
    from pigeon_export.pack.refinement import refinement_of

    asked = {"top_k": top_k, "max_move_km": max_move_km, "neighbours": neighbours, "score_km": score_km,
             "temperature": temperature}  # fmt: skip
    parts = Parts(encoder, cells, gallery, probes, full_precision, confidence, evaluation, calibration)
    naming = Naming(name, about, {"weights": licence, "data": data_licence})
    pack_bundle(parts, naming, refinement_of(refinement.value, asked, encoder, probes), out)
    say_bundle(out)
