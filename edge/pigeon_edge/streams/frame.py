"""One frame of a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pigeon_edge.images.photograph import Photograph
from pigeon_edge.images.preprocess import PreprocessSpec


@dataclass(frozen=True)
class Frame:
    """A picture that is read when it is wanted, and its number in the source.

    ``read`` raises InputError or MissingToolError where it cannot be. ``pts_s`` is the time since the source began,
    None where the source has no times. ``source_id`` is the frame's own name, None where it has none.
    """

    read: Callable[[PreprocessSpec], Photograph]
    index: int
    pts_s: float | None
    source_id: str | None = None

    def to_json(self, photograph: Photograph) -> dict[str, Any]:
        """Return what an event says of its frame."""
        width, height = photograph.size
        time = {} if self.pts_s is None else {"pts_s": round(self.pts_s, 3)}
        return {"index": self.index, **time, "width": width, "height": height}
