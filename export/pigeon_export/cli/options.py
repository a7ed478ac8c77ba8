"""What several commands of export share: an option, and what they tell of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Photographs to measure on, at even distances.")]


def say_bundle(out: Path) -> None:
    """Tell which bundle was written, and how large it is."""
    from pigeon_edge.bundle.format import open_bundle

    bundle = open_bundle(out)
    precision = bundle.description.precision
    if precision != "int8":
        say(f"pigeon-edge: the graph is in {precision}; one of `calibrate int8` is smaller and quicker")
    say(f"pigeon-edge: {bundle.label}, {sum(size for size, _ in bundle.files.values()) / 1e6:.1f} MB in {out}")
