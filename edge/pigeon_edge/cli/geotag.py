"""``pigeon-edge geotag``: locate an archive, write one record a photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.archive import geotag as archive
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
from pigeon_edge.events.summary import Summary, counted
from pigeon_edge.images.photograph import DEFAULT_MAX_PIXELS
from pigeon_edge.images.scan import scan
from pigeon_edge.sinks.files import STDOUT_NAMES, Format, events_file, format_of

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
    where the model is unsure: of those that are, no more are wrong than the risk that the bundle's card states.
    """
    kind = format or (Format.JSONL if str(out) in STDOUT_NAMES else format_of(out))
    found = scan(paths)
    summary = Summary()
    with locator_of(bundle, engine) as locator, events_file(out, kind) as write:
        check_within(locator, within)
        events = archive.geotag(found.photographs, locator, allow_pixels(max_pixels))
        for event in counted(progress(events, len(found.photographs), "photographs"), summary, within):
            write(event)
    if found.other_files:
        say(f"pigeon-edge: left out {found.other_files} files that are no photographs by their names")
    say(f"pigeon-edge: {summary}; wrote {out}")
    if summary.errors:
        raise PartialFailureError(f"{len(summary.errors)} photographs could not be read; their records say why")
