"""``export onnx``: a model as a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples

ONNX_EXAMPLES = examples("pigeon-edge export onnx model --out encoder.onnx")


def onnx(
    model: Annotated[str, typer.Argument(help="A CLIP folder or hub id in transformers' format, or `fit`'s output.")],
    out: Annotated[Path, typer.Option("--out", help="The graph to write.")],
) -> None:
    """Write a vision tower, and its heads where it has some, as one ONNX graph from pixels to geocell logits."""
    from pigeon_export.graph.to_onnx import export_folder

    export_folder(model, out)
    say(f"pigeon-edge: wrote {out}, {out.stat().st_size / 1e6:.1f} MB")
