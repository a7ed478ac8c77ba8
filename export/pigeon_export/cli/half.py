"""``export half``: a graph in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.group import examples
from pigeon_export.cli.options import LimitOption

HALF_EXAMPLES = examples("pigeon-edge export half encoder.onnx --out encoder.fp16.onnx --images photographs")


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
    from pigeon_export.cli.halving import halve

    halve(graph, out, images, limit)
