"""From frames to events, at a chosen rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pigeon_edge.errors import InputError, MissingToolError
from pigeon_edge.events.event import Event, failed, of_photograph
from pigeon_edge.locator import Locator
from pigeon_edge.streams.frame import Frame


def stream_events(source_id: str, frames: Iterable[Frame], locator: Locator) -> Iterator[Event]:
    """Yield one event for each frame; one that cannot be read becomes an event with its error."""
    for frame in frames:
        name = frame.source_id or source_id
        try:
            photograph = frame.read(locator.preprocess)
        except (InputError, MissingToolError) as error:
            yield failed(name, error, locator.label)
            continue
        [estimate] = locator.locate(photograph.pixels[None])
        event = of_photograph(name, photograph, estimate, locator.label)
        yield {**event, "frame": frame.to_json(photograph)}


def at_rate(frames: Iterable[Frame], fps: float) -> Iterator[Frame]:
    """Yield the first frame of every 1/fps seconds of the source's own time; of a source without times, every one."""
    slot = -1
    for frame in frames:
        if frame.pts_s is None:
            yield frame
        elif int(frame.pts_s * fps + 1e-6) > slot:
            slot = int(frame.pts_s * fps + 1e-6)
            yield frame
