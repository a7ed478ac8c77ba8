"""Which polygon covers a point."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from pigeon_edge.geodesy import wrap_lng

Geometries: TypeAlias = npt.NDArray[np.object_]


def covering(geometry: Geometries, lat_lng: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return (N,) the first polygon that covers each point (N, 2), -1 where none does. Borders count as covered."""
    answer = np.full(len(lat_lng), len(geometry), np.int64)
    points = shapely.points(wrap_lng(lat_lng[:, 1]), lat_lng[:, 0])
    polygon, point = shapely.STRtree(points).query(geometry, predicate="intersects")
    np.minimum.at(answer, point, polygon)
    return np.where(answer == len(geometry), -1, answer)
