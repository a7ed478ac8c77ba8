"""``export parity``: graphs beside their reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.group import examples
from pigeon_edge.files import to_json
from pigeon_export.cli.options import LimitOption

PARITY_EXAMPLES = examples(
    "pigeon-edge export parity model encoder.onnx encoder.fp16.onnx encoder.int8.onnx --images photographs",
    "pigeon-edge export parity encoder.onnx encoder.int8.onnx --images photographs --json",
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
    from pigeon_export.parity.compare import measure_graphs, say_engines, say_unreadable, table

    report = measure_graphs(reference, graphs, images, limit)
    typer.echo(to_json(report.to_json()) if json else f"{table(report)}\n", nl=False)
    say_engines(report)
    say_unreadable(report)
    report.check()
