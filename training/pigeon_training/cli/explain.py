"""``pigeon-edge train explain``: why a photograph is thought to be of a place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples

EXPLAIN_EXAMPLES = examples(
    "pigeon-edge train explain photo.jpg --out why.png",
    "pigeon-edge train explain photo.jpg --bundle europe.pigeon --cell 12 --out why.png",
    "pigeon-edge train explain photo.jpg --model model --cells cells --out why.png",
)


def explain(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The photograph.")],
    out: Annotated[Path, typer.Option("--out", help="The picture to write: .png, or .jpg.")],
    model: Annotated[
        str | None,
        typer.Option("--model", help="Explain what `train fit` wrote, or a CLIP folder or hub id, by attention."),
    ] = None,
    cells: Annotated[
        Path | None, typer.Option("--cells", help="With --model: what `train cells` wrote, to name places.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            envvar="PIGEON_EDGE_BUNDLE",
            help="Without --model: the bundle to explain, by occlusion; default: the toy planet.",
        ),
    ] = None,
    cell: Annotated[
        int | None, typer.Option("--cell", min=0, help="Explain this geocell; else the most probable one.")
    ] = None,
) -> None:
    """Draw a heat map over a photograph: which parts of it speak for a geocell."""
    from pigeon_edge.cli.options import locator_of
    from pigeon_edge.encoders import Engine
    from pigeon_edge.errors import UsageError
    from pigeon_training.study.explanation.explain import explain_bundle, explain_model, write_explanation

    if cells and not model:
        raise UsageError("--cells names the places of a --model; a bundle has names of its own")
    if model:
        explanation = explain_model(model, cells, image, cell)
    else:
        with locator_of(bundle, Engine.AUTO) as locator:
            explanation = explain_bundle(locator, image, cell)
    write_explanation(out, image, explanation)
    say(f"pigeon-edge: {explanation.caption}; {out}")
