"""PlaNet's baseline (Weyand et al. 2016): squares on a cube around the earth, quartered where photographs are many.

The squares are those of the S2 library with its quadratic projection, so that cells of one level differ in area by at
most a factor of 2.1. Quartering stops at ``max_size`` photographs. PlaNet leaves out squares with few photographs and
the photographs in them; here, where every point has a cell, they join the nearest square that has enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import unit_vectors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_LEVEL = 24
"""Squares of some half a metre; photographs closer than that are not told apart."""


@dataclass(frozen=True)
class Squares:
    """Squares by ``key`` (S,), sorted: level, face and position; ``region`` (S,) is the number of each one's region.

    Only squares that are not quartered are listed; together they cover the sphere.
    """

    key: Ints
    region: Ints

    def region_of(self, lat_lng: Floats) -> Ints:
        """Return (N,) the region of the square that holds each point (N, 2)."""
        vectors = unit_vectors(lat_lng)
        answer = np.full(len(vectors), -1, np.int64)
        for level in range(int(self.key.max() >> LEVEL_SHIFT) + 1):
            open_points = np.flatnonzero(answer < 0)
            wanted = keys(vectors[open_points], level)
            at = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
            answer[open_points] = np.where(self.key[at] == wanted, self.region[at], -1)
        return answer

    def to_json(self) -> dict[str, Any]:
        """Return the squares as lists."""
        return {"key": self.key.tolist(), "region": self.region.tolist()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Squares:
        """Read what ``to_json`` returned."""
        return cls(np.array(record["key"], np.int64), np.array(record["region"], np.int64))


FACE_SHIFT = 2 * MAX_LEVEL
LEVEL_SHIFT = FACE_SHIFT + 3


def squares(lat_lng: Floats, min_size: int, max_size: int) -> Squares:
    """Quarter the six faces until no square holds more than ``max_size`` of the points (N, 2)."""
    vectors = unit_vectors(lat_lng)
    leaves: list[Ints] = []
    counts: list[Ints] = []
    level, divided = 0, np.arange(6, dtype=np.int64) << FACE_SHIFT
    while len(divided):
        found, number = np.unique(keys(vectors, level), return_counts=True)
        count = np.zeros(len(divided), np.int64)
        at = np.searchsorted(divided, found)
        count[at] = number
        full = (count > max_size) & (level < MAX_LEVEL)
        leaves.append(divided[~full])
        counts.append(count[~full])
        vectors = vectors[np.isin(keys(vectors, level), divided[full])]
        divided, level = _quarters(divided[full]), level + 1
    key, count = np.concatenate(leaves), np.concatenate(counts)
    order = np.argsort(key)
    return Squares(key[order], _regions(key[order], count[order], min_size))


def keys(vectors: Floats, level: int) -> Ints:
    """Return (N,) the squares of a level that hold unit vectors (N, 3)."""
    axis = np.abs(vectors).argmax(axis=1)
    along = np.take_along_axis(vectors, axis[:, None], axis=1)[:, 0]
    face = axis + 3 * (along < 0)
    across = np.stack([np.take_along_axis(vectors, ((axis + n) % 3)[:, None], axis=1)[:, 0] for n in (1, 2)], axis=1)
    plane = across / np.abs(along)[:, None]  # (N, 2) in -1..1
    root = 0.5 * np.sqrt(1 + 3 * np.abs(plane))
    even = np.where(plane >= 0, root, 1 - root)  # 0..1, of near equal areas
    step = np.minimum((even * (1 << level)).astype(np.int64), (1 << level) - 1)
    place = (face.astype(np.int64) << FACE_SHIFT) | (step[:, 0] << MAX_LEVEL) | step[:, 1]
    return np.asarray((level << LEVEL_SHIFT) | place, np.int64)


def middles(key: Ints) -> Floats:
    """Return unit vectors (S, 3) to the middles of squares."""
    level, face = key >> LEVEL_SHIFT, (key >> FACE_SHIFT) & 7
    step = np.stack([(key >> MAX_LEVEL) & ((1 << MAX_LEVEL) - 1), key & ((1 << MAX_LEVEL) - 1)], axis=1)
    even = (step + 0.5) / (1 << level)[:, None]
    plane = np.where(even >= 0.5, (4 * even**2 - 1) / 3, (1 - 4 * (1 - even) ** 2) / 3)
    vectors = np.empty((len(key), 3))
    axis, rows = face % 3, np.arange(len(key))
    vectors[rows, axis] = np.where(face < 3, 1.0, -1.0)
    for n in (1, 2):
        vectors[rows, (axis + n) % 3] = plane[:, n - 1]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _quarters(key: Ints) -> Ints:
    """Return (4 S,) sorted squares of the next level."""
    level, face = (key >> LEVEL_SHIFT) + 1, (key >> FACE_SHIFT) & 7
    i, j = (key >> MAX_LEVEL) & ((1 << MAX_LEVEL) - 1), key & ((1 << MAX_LEVEL) - 1)
    base = (level << LEVEL_SHIFT) | (face << FACE_SHIFT)
    return np.sort(np.concatenate([base | ((2 * i + a) << MAX_LEVEL) | (2 * j + b) for a in (0, 1) for b in (0, 1)]))


def _regions(key: Ints, count: Ints, min_size: int) -> Ints:
    """Number the squares with enough photographs; give the others the number of the nearest of those."""
    enough = np.flatnonzero(count >= min(min_size, int(count.max())))
    vectors = middles(key)
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(vectors[enough]).query(vectors)[1], np.int64)
