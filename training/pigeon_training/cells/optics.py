"""OPTICS (Ankerst et al. 1999) on great-circle distances: density clusters of points on the sphere.

The ordering is exact (no maximum distance) and done with whole rows of the distance matrix, so that its memory is the
square of the points: callers hand in a sample where there are many. Clusters are cut at steep slopes of relative height
``xi`` by scikit-learn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import EARTH_RADIUS_KM

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SAME_KM = 1e-5
"""The least distance of two photographs, so that a heap of them at one spot has slopes of finite height."""


class Ordering(NamedTuple):
    """Points in the order they are reached (N,), how far each was to reach (N,) in km, and from where (N,)."""

    order: Ints
    reachability_km: Floats
    predecessor: Ints


def ordering(vectors: Floats, min_samples: int) -> Ordering:
    """Return the OPTICS ordering of unit vectors (N, 3); a point counts among its own ``min_samples``."""
    from scipy.spatial.distance import cdist

    chord = np.maximum(cdist(vectors, vectors), SAME_KM / EARTH_RADIUS_KM)  # (N, N), monotone in the distance
    core = np.partition(chord, min_samples - 1, axis=1)[:, min_samples - 1]
    count = len(vectors)
    order = np.empty(count, np.int64)
    reach, waiting = np.full(count, np.inf), np.full(count, np.inf)  # waiting: the same, infinite once reached
    predecessor, done = np.full(count, -1, np.int64), np.zeros(count, bool)
    point = 0
    for step in range(count):
        order[step], done[point], waiting[point] = point, True, np.inf
        through = np.maximum(chord[point], core[point])
        better = (through < reach) & ~done
        reach[better] = waiting[better] = through[better]
        predecessor[better] = point
        point = int(waiting.argmin())
    return Ordering(order, 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(reach / 2, 1.0), where=reach < np.inf, out=reach),
                    predecessor)  # fmt: skip


def clusters(vectors: Floats, min_samples: int, xi: float, min_cluster_size: int) -> list[Ints]:
    """Return the members of each density cluster of unit vectors (N, 3); points in none are noise.

    Where clusters lie within clusters, the innermost of at least ``min_cluster_size`` count.
    """
    from sklearn.cluster import cluster_optics_xi

    if len(vectors) < max(min_samples, min_cluster_size, 3):
        return []
    found = ordering(vectors, min_samples)
    labels, _ = cluster_optics_xi(
        reachability=found.reachability_km,
        predecessor=found.predecessor,
        ordering=found.order,
        min_samples=min_samples,
        min_cluster_size=min_cluster_size,
        xi=xi,
    )
    return [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]
