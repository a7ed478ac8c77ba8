"""``pigeon-edge train cells``: geocells."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import ManifestOption

CELLS_EXAMPLES = examples(
    "pigeon-edge train cells --manifest photos.csv --min-size 100 --out cells",
    "pigeon-edge train cells --manifest photos.csv --preset pigeon \\",
    "  --boundaries countries.geojson --boundaries admin1.geojson.gz --out cells",
)


class CellsPreset(str, Enum):
    """A named set of constants for geocells, see ``presets.py``."""

    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    TOY = "toy"


def cells(
    manifest: ManifestOption,
    out: Annotated[Path, typer.Option("--out", help="The folder for the geocells.")],
    boundaries: Annotated[
        list[Path] | None,
        typer.Option("--boundaries", help="A file of countries, then one for each finer level."),
    ] = None,
    preset: Annotated[
        CellsPreset, typer.Option("--preset", help="The sizes and the OPTICS schedule.")
    ] = CellsPreset.TOY,
    min_size: Annotated[
        int | None,
        typer.Option("--min-size", min=1, help="Training photographs a geocell, at least; else the preset's."),
    ] = None,
    max_size: Annotated[int | None, typer.Option("--max-size", min=1, help="The same, at most.")] = None,
) -> None:
    """Make semantic geocells of the countries and regions in a manifest, or in files of boundaries."""
    from pigeon_training.cells.make_cells import make_cells
    from pigeon_training.presets import CELL_PRESETS, sized

    make_cells(manifest, boundaries or [], sized(CELL_PRESETS[preset.value], min_size, max_size), out, say)
