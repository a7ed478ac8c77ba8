"""``pigeon-edge geotag``: locate an archive, write one record a photograph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.archive import geotag as archive
from pigeon_edge.archive.journal import journal_of
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
from pigeon_edge.encoders import Engine
from pigeon_edge.errors import PartialFailureError
from pigeon_edge.events.event import Event
from pigeon_edge.events.summary import Summary, counted
from pigeon_edge.images.photograph import DEFAULT_MAX_PIXELS
from pigeon_edge.images.scan import scan
from pigeon_edge.locator import Locator
from pigeon_edge.sinks.files import Format, events_file, is_stream, kind_of

EXAMPLES = examples(
    "pigeon-edge geotag ~/Pictures --out places.geojson",
    "pigeon-edge geotag scans/ more/*.tif --out places.csv --bundle europe.pigeon",
    "pigeon-edge geotag scans/ --out sure.geojson --bundle europe.pigeon --within 200",
)


def geotag(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Photographs, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write; it appears once it is whole. - is stdout.")],
    format: Annotated[Format | None, typer.Option("--format", help="Default: as the file's name ends.")] = None,
    within: WithinOption = None,
    bundle: BundleOption = None,
    engine: EngineOption = Engine.AUTO,
    max_pixels: MaxPixelsOption = DEFAULT_MAX_PIXELS,
) -> None:
    """Locate photographs and folders of them; originals are only read.

    A file that cannot be read becomes a record with its error, and the exit code 3. With --within, no guess is written
    where the model is unsure: of those that are, no more are wrong than the risk that the bundle's card states. What
    was interrupted goes on where the same command is run again.
    """
    kind = kind_of(out, format)
    found = scan(paths)
    summary = Summary()
    with locator_of(bundle, engine) as locator:
        check_within(locator, within)
        with (
            _events(found.photographs, locator, allow_pixels(max_pixels), out) as events,
            events_file(out, kind) as write,
        ):
            for event in counted(progress(events, len(found.photographs), "photographs"), summary, within):
                write(event)
    for line in found.words():
        say(f"pigeon-edge: {line}")
    say(f"pigeon-edge: {summary}; wrote {out}")
    if summary.errors:
        raise PartialFailureError(f"{len(summary.errors)} photographs could not be read; their records say why")


@contextmanager
def _events(photographs: Sequence[Path], locator: Locator, max_pixels: int, out: Path) -> Iterator[Iterator[Event]]:
    """Yield the events of photographs; where the output is a file, an interrupted run can go on."""
    if is_stream(out):
        yield archive.geotag(photographs, locator, max_pixels)
        return
    with journal_of(out, locator.label) as journal:
        if journal.count:
            say(f"pigeon-edge: going on after {journal.count} photographs of an interrupted run")
        try:
            yield archive.geotag_resumably(photographs, locator, max_pixels, journal)
        except BaseException:
            if journal.count:
                kept = f"{journal.path} keeps {journal.count} photographs"
                say(f"pigeon-edge: stopped; {kept}: run the same command again to go on")
            raise
