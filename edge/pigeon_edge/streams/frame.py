"""One frame of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Frame:
    """An upright RGB image, its number in the source, and the time since the source began."""

    image: Image.Image
    index: int
    pts_s: float

    def to_json(self) -> dict[str, Any]:
        """Return what an event says of its frame."""
        width, height = self.image.size
        return {"index": self.index, "pts_s": round(self.pts_s, 3), "width": width, "height": height}
