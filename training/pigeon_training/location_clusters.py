"""Location clusters: which photographs of a geocell share a prototype."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pigeon_edge.gallery_files import Clusters
from pigeon_edge.geodesy import haversine_km

Ids = npt.NDArray[np.int64]


def cluster(lat_lng: npt.NDArray[np.float64], cell: Ids, cell_count: int, reach_km: float) -> Clusters:
    """Group the photographs of each cell by place: a photograph joins the first leader within ``reach_km``.

    Leaders are taken in the order of the photographs, so the result is deterministic; every photograph is in a cluster.
    """
    of_photograph = np.full(len(cell), -1, np.int64)
    offsets = np.zeros(cell_count + 1, np.int64)
    for number in range(cell_count):
        members = np.flatnonzero(cell == number)
        local = _leaders(lat_lng[members], reach_km)
        of_photograph[members] = offsets[number] + local
        offsets[number + 1] = offsets[number] + (local.max(initial=-1) + 1)
    return Clusters(of_photograph, offsets)


def _leaders(lat_lng: npt.NDArray[np.float64], reach_km: float) -> Ids:
    """Return (N,) cluster numbers from 0."""
    leaders = np.empty((0, 2))
    found = np.empty(len(lat_lng), np.int64)
    for number, point in enumerate(lat_lng):
        near = np.flatnonzero(haversine_km(point, leaders) <= reach_km)
        if len(near):
            found[number] = near[0]
        else:
            found[number] = len(leaders)
            leaders = np.vstack([leaders, point])
    return found
