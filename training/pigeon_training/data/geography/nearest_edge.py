"""The region whose border is nearest on the sphere, for points that lie in no region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely
from scipy.spatial import cKDTree

from pigeon_edge.geodesy import EARTH_RADIUS_KM, Floats, unit_vectors
from pigeon_training.data.geography.antimeridian import Shapes

Ints: TypeAlias = npt.NDArray[np.int64]

_PIECE_KM = 10.0
_CHUNK = 20_000
"""Points at a time: about 100 candidate pieces each, 16 bytes a candidate."""


@dataclass(frozen=True, eq=False)
class EdgeIndex:
    """Borders as short pieces of great circles: ``starts``, ``ends`` (P, 3) unit vectors, ``owner`` (P,) polygons."""

    starts: Floats
    ends: Floats
    owner: Ints
    half_angle: float
    tree: Any

    def nearest(self, lat_lng: Floats, reach_km: float, rank: Ints) -> Ints:
        """Return the owner (N,) of the nearest border within reach, -1 where none is; ties go to the lowest rank."""
        found = np.full(len(lat_lng), -1, np.int64)
        for start in range(0, len(lat_lng), _CHUNK):
            part = slice(start, start + _CHUNK)
            found[part] = self._nearest(unit_vectors(lat_lng[part]), reach_km / EARTH_RADIUS_KM, rank)
        return found

    def _nearest(self, points: Floats, reach: float, rank: Ints) -> Ints:
        """Exact: the nearest piece's middle is at most half a piece farther than the nearest middle."""
        found = np.full(len(points), -1, np.int64)
        limit = _chord(reach + 2 * self.half_angle)
        middle, _ = self.tree.query(points, distance_upper_bound=limit)
        near = np.flatnonzero(np.isfinite(middle))
        if not len(near):
            return found
        radius = _chord(_angle(middle[near]) + self.half_angle)
        lists = self.tree.query_ball_point(points[near], radius + 1e-12)
        counts = np.fromiter((len(pieces) for pieces in lists), np.int64, len(near))
        pieces = np.concatenate([np.asarray(pieces, np.int64) for pieces in lists])
        point = np.repeat(near, counts)
        angle = np.round(_arc_angle(points[point], self.starts[pieces], self.ends[pieces]), 12)
        order = np.lexsort((rank[self.owner[pieces]], angle, point))
        first = order[np.r_[True, np.diff(point[order]) > 0]]
        first = first[angle[first] <= reach]
        found[point[first]] = self.owner[pieces[first]]
        return found


def index_edges(polygons: Shapes) -> EdgeIndex:
    """Index the borders of polygons (Q,). An edge is straight in degrees, as in the file, and cut every 10 km."""
    rings, polygon = shapely.get_rings(polygons, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    edges = np.flatnonzero(ring[1:] == ring[:-1])
    lat_lng = xy[:, ::-1]
    length_km = _angle(np.linalg.norm(unit_vectors(lat_lng[edges + 1]) - unit_vectors(lat_lng[edges]), axis=1))
    counts = np.maximum(np.ceil(length_km * EARTH_RADIUS_KM / _PIECE_KM), 1).astype(np.int64)
    # An edge along a parallel is longer than the great circle between its ends: count by degrees as well.
    counts = np.maximum(counts, np.ceil(np.abs(lat_lng[edges + 1] - lat_lng[edges]).max(axis=1)).astype(np.int64))
    edge, number = np.repeat(edges, counts), np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    share, step = np.repeat(counts, counts), lat_lng[edge + 1] - lat_lng[edge]
    starts = unit_vectors(lat_lng[edge] + step * (number / share)[:, None])
    ends = unit_vectors(lat_lng[edge] + step * ((number + 1) / share)[:, None])
    middles = (starts + ends) / np.linalg.norm(starts + ends, axis=1, keepdims=True)
    half = float(_angle(np.linalg.norm(ends - starts, axis=1)).max(initial=0.0)) / 2
    return EdgeIndex(starts, ends, polygon[ring[edge]].astype(np.int64), half, cKDTree(middles))


def _arc_angle(point: Floats, start: Floats, end: Floats) -> Floats:
    """Return the angle (N,) in radians from unit vectors to great-circle arcs shorter than half a turn."""
    normal = np.cross(start, end)
    length = np.linalg.norm(normal, axis=1)
    unit = normal / np.where(length > 0, length, 1.0)[:, None]
    beside = (_dot(np.cross(unit, start), point) >= 0) & (_dot(np.cross(unit, end), point) <= 0) & (length > 1e-15)
    to_ends = np.minimum(np.linalg.norm(point - start, axis=1), np.linalg.norm(point - end, axis=1))
    across = np.abs(np.arcsin(np.clip(_dot(unit, point), -1.0, 1.0)))
    return np.where(beside, np.minimum(across, _angle(to_ends)), _angle(to_ends))


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", a, b))


def _angle(chord: Floats) -> Floats:
    return np.asarray(2 * np.arcsin(np.clip(chord / 2, 0.0, 1.0)))


def _chord(angle: Any) -> Any:
    return 2 * np.sin(np.minimum(angle, np.pi) / 2)
