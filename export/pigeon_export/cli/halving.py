"""``export half``: a graph in, the graph in half precision out, measured where there are photographs."""

from __future__ import annotations

from pathlib import Path

import onnx
import typer

from pigeon_calibration.graphs import load_graph
from pigeon_edge.cli.console import say
from pigeon_edge.errors import InputError
from pigeon_edge.files import check_files, replacing
from pigeon_export.half.convert import to_half
from pigeon_export.parity.compare import measure_half, say_unreadable, table


def halve(graph: Path, out: Path, images: Path | None, limit: int) -> None:
    """Write the graph in half precision; with photographs, only if it is as near to its source as it has to be.

    Raises InputError where the graph cannot be brought to half precision, GateError where it falls short.
    """
    check_files([out], [graph])
    model = load_graph(graph)
    try:
        half = to_half(model)
    except InputError as error:
        raise InputError(f"{graph}: {error}") from error
    if images:
        report = measure_half(graph, model, half, images, limit)
        typer.echo(table(report))
        say_unreadable(report)
        report.check()
    with replacing(out) as scratch:
        onnx.save_model(half, str(scratch))
    measured = "" if images else "; its parity was not measured, give --images"
    say(f"pigeon-edge: wrote {out}, {out.stat().st_size / 1e6:.1f} MB{measured}")
