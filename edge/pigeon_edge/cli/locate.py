"""``pigeon-edge locate``: where was each of these photographs taken?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Annotated

import typer

from pigeon_edge.archive.geotag import geotag
from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_edge.cli.options import (
    BundleOption,
    EngineOption,
    MaxPixelsOption,
    WithinOption,
    allow_pixels,
    check_within,
    locator_of,
)
from pigeon_edge.cli.surroundings import surroundings_lines
from pigeon_edge.encoders import Engine
from pigeon_edge.errors import PartialFailureError
from pigeon_edge.events.event import Event
from pigeon_edge.events.summary import Summary, counted
from pigeon_edge.images.photograph import DEFAULT_MAX_PIXELS
from pigeon_edge.images.scan import scan
from pigeon_edge.sinks.files import json_line, printable

_HEADER = ("photograph", "estimate", "place", "50% km", "90% km", "claims km", "true error km")

EXAMPLES = examples(
    "pigeon-edge locate holiday.jpg --bundle europe.pigeon", "pigeon-edge locate *.jpg --top-k 3 --json | jq .location"
)


def locate(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs, or folders of them.")],
    bundle: BundleOption = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="How many candidates to print for each photograph.")] = 1,
    within: WithinOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON event a line.")] = False,
    engine: EngineOption = Engine.AUTO,
    max_pixels: MaxPixelsOption = DEFAULT_MAX_PIXELS,
) -> None:
    """Print where photographs were taken.

    The truth lies within the first radius as often as not, within the second nine times in ten. Under "claims" is how
    near the answer may claim to be, - where it is too unsure. Where a photograph has GPS, the distance to it is the
    last column. Bundles whose encoder has been trained for it also tell height, population, weather, climate and
    season, as lines under the photograph.
    """
    paths = scan(images).photographs
    summary = Summary()
    with locator_of(bundle, engine) as locator:
        check_within(locator, within)
        found = counted(geotag(paths, locator, allow_pixels(max_pixels)), summary, within)
        events = [_with_candidates(event, top_k) for event in found]
    typer.echo("".join(map(json_line, events)) if json else printable(_table(_entries(events))), nl=False)
    if summary.withheld:
        say(f"pigeon-edge: {summary.withheld} withheld: too unsure to claim {within:g} km")
    if summary.errors:
        for line in summary.errors:
            say(f"pigeon-edge: {line}")
        raise PartialFailureError(str(summary))


def _with_candidates(event: Event, count: int) -> Event:
    return {**event, "candidates": event["candidates"][:count]} if "candidates" in event else event


@dataclass(frozen=True)
class _Entry:
    """What is printed of one photograph: rows of the table, and lines under them."""

    rows: list[tuple[str, ...]]
    lines: list[str]


def _entries(events: Sequence[Event]) -> list[_Entry]:
    located = (event for event in events if event["status"] == "located")
    return [_Entry(_rows_of(event), surroundings_lines(event.get("environment", {}))) for event in located]


def _rows_of(event: Event) -> list[tuple[str, ...]]:
    """Return the row of the answer, then a row for each further candidate."""
    error = f"{event['gps']['distance_m'] / 1000:,.1f}" if "gps" in event else ""
    location = event["location"]
    first = (
        Path(event["source_id"]).name,
        _point(location),
        _name(event["place"]),
        _kilometres(location["radius_50_m"]),
        _kilometres(location["radius_m"]),
        "-" if location["within_m"] is None else _kilometres(location["within_m"]),
        error,
    )
    further = event["candidates"][1:]
    others = [("", _point(c), f"{_name(c['place'])} ({c['probability']:.0%})", *("",) * 4) for c in further]
    return [first, *others]


def _point(location: Event) -> str:
    return f"{location['lat']:.4f}, {location['lon']:.4f}"


def _kilometres(metres: int) -> str:
    return f"{metres / 1000:,.0f}"


def _name(place: Event) -> str:
    return ", ".join(shorten(name, 32, placeholder=" ...") for name in (place["admin1"], place["country"]) if name)


def _table(entries: Sequence[_Entry]) -> str:
    """Return entries under a header, their rows in columns: words to the left, numbers to the right."""
    rows = [_HEADER, *(row for entry in entries for row in entry.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    text = [_aligned(_HEADER, widths)]
    for entry in entries:
        text += [*(_aligned(row, widths) for row in entry.rows), *(f"    {line}" for line in entry.lines)]
    return "".join(line + "\n" for line in text) if entries else ""


def _aligned(line: tuple[str, ...], widths: Sequence[int]) -> str:
    cells = zip(line, widths, (False, True, False, *(True,) * 4), strict=True)
    return "  ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in cells).rstrip()
