"""``pigeon-edge train gallery``: what retrieval searches."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import CellsOption, ManifestOption

GALLERY_EXAMPLES = examples(
    "pigeon-edge train gallery --manifest photos.csv --cells cells \\",
    "  --encoder encoder.int8.onnx --preset pigeon --out gallery",
)


class LocationsPreset(str, Enum):
    """A named set of constants for location clusters, see ``presets.py``."""

    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    TOY = "toy"


class CodesName(str, Enum):
    """How the gallery keeps embeddings, see ``pigeon_edge/bundle/gallery_writer.py``."""

    FULL = "full"
    SMALL = "small"


def gallery(
    manifest: ManifestOption,
    cells: CellsOption,
    encoder: Annotated[Path, typer.Option("--encoder", help="The graph that ships: encoder.int8.onnx.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the gallery.")],
    preset: Annotated[
        LocationsPreset, typer.Option("--preset", help="The OPTICS setting of location clusters.")
    ] = LocationsPreset.TOY,
    limit_per_place: Annotated[int, typer.Option("--per-place", min=1, help="Photographs a place, at most.")] = 4,
    codes: Annotated[
        CodesName,
        typer.Option("--codes", help="full: 8 bits a component. small: a tenth of the file, with many photographs."),
    ] = CodesName.FULL,
) -> None:
    """Embed the training photographs with the graph that ships, and index them."""
    from pigeon_edge.bundle.gallery_writer import CODES
    from pigeon_training.cells.gallery import gallery_of_manifest
    from pigeon_training.presets import LOCATION_PRESETS

    locations = LOCATION_PRESETS[preset.value]
    kept = CODES[codes.value]
    count, clusters = gallery_of_manifest(manifest, cells, encoder, out, locations, limit_per_place, kept)
    say(f"pigeon-edge: {count} photographs in {clusters} location clusters in {out}")
