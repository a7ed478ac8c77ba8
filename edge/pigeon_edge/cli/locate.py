"""``pigeon-edge locate``: where was each of these photographs taken?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Annotated

import typer

from pigeon_edge.archive.geotag import geotag
from pigeon_edge.cli.console import progress, say
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

_HEADER = ("photograph", "estimate", "50% km", "90% km", "claims km", "true error km", "place")
_WIDTHS = (len("-88.8888, -188.8888"), *(len(name) for name in _HEADER[2:-1]))

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

    The truth lies within the first radius as often as not, within the second nine times in ten. The "claims" column is
    the distance that the model vouches for; "-" means none. Where a photograph has GPS, "true error" is the distance to
    it. Bundles whose encoder has been trained for it also tell height, population, weather, climate and season, as
    lines under the photograph.
    """
    found = scan(images)
    summary = Summary()
    with locator_of(bundle, engine) as locator:
        check_within(locator, within)
        events = counted(geotag(found.photographs, locator, allow_pixels(max_pixels)), summary, within)
        write = _json_lines(top_k) if json else _table(found.photographs, top_k)
        for event in _watched(events, len(found.photographs)):
            typer.echo(write(event), nl=False)
    for line in found.words():
        say(f"pigeon-edge: {line}")
    if summary.withheld:
        say(f"pigeon-edge: {summary.withheld} withheld: too unsure to claim {within:g} km")
    if summary.errors:
        for line in summary.errors:
            say(f"pigeon-edge: {line}")
        raise PartialFailureError(str(summary))


def _watched(events: Iterator[Event], count: int) -> Iterator[Event]:
    """Draw a bar on stderr where nobody sees the rows as they come."""
    return events if sys.stdout.isatty() else progress(events, count, "photographs")


def _json_lines(top_k: int) -> Callable[[Event], str]:
    return lambda event: json_line(_with_candidates(event, top_k))


def _with_candidates(event: Event, count: int) -> Event:
    return {**event, "candidates": event["candidates"][:count]} if "candidates" in event else event


def _table(paths: Sequence[Path], top_k: int) -> Callable[[Event], str]:
    """Return what makes an event its lines: a row, further candidates, surroundings; the header before the first.

    Widths are known beforehand, so that a row is printed as soon as there is one; what may have any width is last.
    """
    widths = (max(len("photograph"), *(len(path.name) for path in paths)), *_WIDTHS)
    header = [_aligned(_HEADER, widths)]

    def lines_of(event: Event) -> str:
        if event["status"] != "located":
            return ""
        rows = [_aligned(row, widths) for row in _rows_of(_with_candidates(event, top_k))]
        lines = [*header, *rows, *(f"    {line}" for line in surroundings_lines(event.get("environment", {})))]
        header.clear()
        return printable("".join(f"{line}\n" for line in lines))

    return lines_of


def _rows_of(event: Event) -> list[tuple[str, ...]]:
    """Return the row of the answer, then a row for each further candidate."""
    error = f"{event['gps']['distance_m'] / 1000:,.1f}" if "gps" in event else ""
    location = event["location"]
    first = (
        Path(event["source_id"]).name,
        _point(location),
        _kilometres(location["radius_50_m"]),
        _kilometres(location["radius_m"]),
        "-" if location["within_m"] is None else _kilometres(location["within_m"]),
        error,
        _name(event["place"]),
    )
    further = event["candidates"][1:]
    others = [("", _point(c), *("",) * 4, f"{_name(c['place'])} (geocell {c['probability']:.0%})") for c in further]
    return [first, *others]


def _point(location: Event) -> str:
    return f"{location['lat']:.4f}, {location['lon']:.4f}"


def _kilometres(metres: int) -> str:
    return f"{metres / 1000:,.0f}"


def _name(place: Event) -> str:
    return ", ".join(shorten(name, 32, placeholder=" ...") for name in (place["admin1"], place["country"]) if name)


def _aligned(line: tuple[str, ...], widths: Sequence[int]) -> str:
    """Return a row in columns: words to the left, numbers to the right."""
    *columns, last = line
    aligned = zip(columns, widths, (False, True, True, True, True, True), strict=True)
    cells = [text.rjust(width) if right else text.ljust(width) for text, width, right in aligned]
    return "  ".join([*cells, last]).rstrip()
