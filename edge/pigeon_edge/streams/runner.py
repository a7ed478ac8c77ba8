"""From frames to events, at a chosen rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pigeon_edge.errors import InputError
from pigeon_edge.events.event import Event, failed, located
from pigeon_edge.images.preprocess import to_pixels
from pigeon_edge.locator import Locator
from pigeon_edge.streams.frame import Frame


def stream_events(source_id: str, frames: Iterable[Frame | InputError], locator: Locator) -> Iterator[Event]:
    """Yield one event for each frame."""
    for frame in frames:
        if isinstance(frame, InputError):
            yield failed(source_id, frame, locator.label)
            continue
        [estimate] = locator.locate(to_pixels(frame.image, locator.preprocess)[None])
        yield {**located(source_id, estimate, locator.label), "frame": frame.to_json()}


def at_rate(frames: Iterable[Frame | InputError], fps: float) -> Iterator[Frame | InputError]:
    """Yield the first frame of every 1/fps seconds of the source's own time; errors always pass."""
    slot = -1
    for frame in frames:
        if isinstance(frame, InputError):
            yield frame
        elif int(frame.pts_s * fps + 1e-6) > slot:
            slot = int(frame.pts_s * fps + 1e-6)
            yield frame
