"""``pigeon-edge train planet|render|atlas``: the procedural planet."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples

PLANET_EXAMPLES = examples("pigeon-edge train planet --out planet --size quick")
RENDER_EXAMPLES = examples("pigeon-edge train render --out photographs --places 1000")
ATLAS_EXAMPLES = examples("pigeon-edge train atlas --events estimates.jsonl --out pictures")


class Size(str, Enum):
    """How much of the planet is made."""

    QUICK = "quick"
    FULL = "full"


def planet(
    out: Annotated[Path, typer.Option("--out", help="The folder for everything that is made.")],
    size: Annotated[Size, typer.Option("--size", help="quick: two minutes; full: what ships.")] = Size.QUICK,
    seed: Annotated[int, typer.Option("--seed", help="Of the planet and its places.")] = 7,
) -> None:
    """Make a model of the procedural planet, from nothing to OUT/toy-planet.pigeon.

    Prints and runs the commands of every stage; the same ones make a model of your own photographs. A stage whose
    output exists already is not run again.
    """
    from pigeon_training.planet.recipe import make_planet

    make_planet(out, size.value, seed)


def render(
    out: Annotated[Path, typer.Option("--out", help="The folder for photographs and manifest.csv.")],
    places: Annotated[int, typer.Option("--places", min=1, help="Places, each photographed in four directions.")],
    seed: Annotated[int, typer.Option("--seed", help="Of the planet and its places.")] = 7,
    size_px: Annotated[int, typer.Option("--size-px", min=32, help="Width and height of a photograph.")] = 96,
) -> None:
    """Photograph the procedural planet: JPEGs with EXIF GPS, and manifest.csv."""
    from pigeon_training.planet.album import render_album

    count = render_album(out, places, seed, size_px)
    say(f"pigeon-edge: {count} photographs of {places} places in {out}")


def atlas(
    events: Annotated[Path, typer.Option("--events", help="JSON lines of `geotag`, of photographs of the planet.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for map.png and photographs.jpg.")],
    seed: Annotated[int, typer.Option("--seed", help="Of the planet.")] = 7,
) -> None:
    """Draw the planet's map with truths and estimates on it, and the photographs side by side."""
    from pigeon_training.planet.atlas import write_atlas

    write_atlas(events, out, seed)
