"""``pigeon-edge run``: locate the frames of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

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
from pigeon_edge.encoders import Engine
from pigeon_edge.errors import PartialFailureError
from pigeon_edge.events.event import Event
from pigeon_edge.events.summary import Summary, counted
from pigeon_edge.images.photograph import DEFAULT_MAX_PIXELS
from pigeon_edge.sinks.files import Format, Write, kind_of
from pigeon_edge.sinks.growing import growing_file
from pigeon_edge.streams.runner import at_rate, stream_events
from pigeon_edge.streams.source import open_source

EXAMPLES = examples(
    "pigeon-edge run trip.mp4 --fps 1 --out trip.jsonl",
    "pigeon-edge run 0 --fps 2 | jq -c .location",
    "pigeon-edge run 0 --within 750",
)


def run(
    source: Annotated[str, typer.Argument(help="A video file, a folder of images, or a camera (0, /dev/video0).")],
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.001, help="Frames to locate a second; default: all.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Stop after this many frames.")] = None,
    out: Annotated[Path, typer.Option("--out", help="The file to append to; - is stdout.")] = Path("-"),
    format: Annotated[Format | None, typer.Option("--format", help="Default: as the file's name ends.")] = None,
    within: WithinOption = None,
    bundle: BundleOption = None,
    engine: EngineOption = Engine.AUTO,
    max_pixels: MaxPixelsOption = DEFAULT_MAX_PIXELS,
) -> None:
    """Locate the frames of a stream; write one event for each.

    Events are written as they come and stay, whatever ends the run; a file that is there goes on.
    """
    kind = kind_of(out, format)
    frames = open_source(source, allow_pixels(max_pixels))
    summary = Summary()
    with locator_of(bundle, engine) as locator, growing_file(out, kind) as write:
        check_within(locator, within)
        events = stream_events(source, at_rate(frames, fps) if fps else frames, locator)
        try:
            broken = _drain(counted(islice(events, limit), summary, within), write)
        finally:
            say(f"pigeon-edge: {summary}")
    if broken:
        raise broken
    if summary.errors:
        raise PartialFailureError(f"{len(summary.errors)} frames could not be read; their events say why")


def _drain(events: Iterator[Event], write: Write) -> PartialFailureError | None:
    """Write events as they come. A stream that breaks off keeps what it gave: its error is returned, not raised."""
    try:
        for event in events:
            write(event)
    except PartialFailureError as error:
        return error
    return None
