"""The naive baseline: rectangles of latitude and longitude, halved along their longer side (Haas et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import wrap_lng

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rectangles:
    """A tree of cuts: of each the axis (K,), 0 for latitude, its degrees (K,), and where both sides lead (K, 2).

    Sides lead to a further cut, or to ``~rectangle``. The antimeridian is an edge: this is what makes them naive.
    """

    axis: Ints
    degrees: Floats
    sides: Ints

    def region_of(self, lat_lng: Floats) -> Ints:
        """Return (N,) the rectangle of each point (N, 2); a point on a cut is on its upper side."""
        points = np.stack([lat_lng[:, 0], wrap_lng(lat_lng[:, 1])], axis=1)
        at = np.zeros(len(points), np.int64)
        if not len(self.axis):
            return at
        while len(within := np.flatnonzero(at >= 0)):
            cut = at[within]
            upper = points[within, self.axis[cut]] >= self.degrees[cut]
            at[within] = self.sides[cut, upper.astype(np.int64)]
        return ~at

    def to_json(self) -> dict[str, Any]:
        """Return the cuts as lists."""
        return {"axis": self.axis.tolist(), "degrees": self.degrees.tolist(), "sides": self.sides.tolist()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Rectangles:
        """Read what ``to_json`` returned."""
        sides = np.array(record["sides"], np.int64).reshape(-1, 2)
        return cls(np.array(record["axis"], np.int64), np.array(record["degrees"], np.float64), sides)


def rectangles(lat_lng: Floats, min_size: int, max_size: int) -> Rectangles:
    """Halve the world by count until no rectangle holds more than ``max_size`` points (N, 2), or a half is too small.

    The longer side is the longer one on the ground, in the middle of the rectangle.
    """
    points = np.stack([lat_lng[:, 0], wrap_lng(lat_lng[:, 1])], axis=1)
    axes: list[int] = []
    degrees: list[float] = []
    sides: list[list[int]] = []
    leaves = 0
    root = [0]
    waiting = [(np.arange(len(points)), np.array([[-90.0, 90.0], [-180.0, 180.0]]), root, 0)]
    while waiting:
        members, box, owner, side = waiting.pop()
        cut = _cut(points[members], box, min_size) if len(members) > max_size else None
        if cut is None:
            owner[side] = ~leaves
            leaves += 1
            continue
        axis, at = cut
        owner[side] = len(axes)
        axes.append(axis)
        degrees.append(at)
        sides.append([0, 0])
        upper = points[members, axis] >= at
        for number, chosen in enumerate((~upper, upper)):
            half = box.copy()
            half[axis, 1 - number] = at
            waiting.append((members[chosen], half, sides[-1], number))
    return Rectangles(np.array(axes, np.int64), np.array(degrees), np.array(sides, np.int64).reshape(-1, 2))


def _cut(points: Floats, box: Floats, min_size: int) -> tuple[int, float] | None:
    """Return the axis and degrees of the cut nearest to the median that leaves ``min_size`` on either side."""
    height, width = box[:, 1] - box[:, 0]
    longer = int(width * np.cos(np.radians(box[0].mean())) > height)
    for axis in (longer, 1 - longer):
        ranked = np.sort(points[:, axis])
        steps = np.flatnonzero(np.diff(ranked) > 0) + 1
        steps = steps[(steps >= min_size) & (steps <= len(ranked) - min_size)]
        if len(steps):
            return axis, float(ranked[steps[np.abs(steps - len(ranked) / 2).argmin()]])
    return None
