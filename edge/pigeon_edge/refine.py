"""Hierarchical retrieval refinement (Haas et al., CVPR 2024, section 3.4), on the sphere.

The classifier's best cells are re-weighted by how near their best prototype is; each cell answers with the *nearest*
photograph of its best cluster. A cell without photographs answers with its centroid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class Retrieval(Protocol):
    """What refinement asks of a gallery; ``pigeon_edge.gallery.Gallery`` answers."""

    def nearest_clusters(self, embedding: Floats, cells: Ids) -> tuple[Ids, Floats]:
        """Return the nearest cluster of each cell (T,) and its distance (T,)."""
        ...

    def nearest_photograph(self, embedding: Floats, cluster: int) -> int:
        """Return the row of the nearest photograph of a cluster, -1 for none."""
        ...

    def lat_lng(self, row: int) -> Doubles:
        """Return the coordinates (2,) of a row."""
        ...


@dataclass(frozen=True)
class RefinementSettings:
    """How far retrieval is trusted.

    ``top_k`` cells are considered; prototype distances between unit vectors are divided by ``temperature``; an answer
    farther than ``max_move_km`` from the unrefined one is cancelled.
    """

    top_k: int = 5
    temperature: float = 0.1
    max_move_km: float = 1000.0

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be meant."""
        if not (self.top_k >= 1 and self.temperature > 0 and self.max_move_km >= 0):
            raise UsageError(f"refinement needs top_k >= 1, temperature > 0 and max_move_km >= 0, found {self}")


@dataclass(frozen=True)
class Refined:
    """T candidates, best first: cells (T,), probability (T,) summing to 1, lat_lng (T, 2), photograph rows (T,).

    A row of -1 stands for the cell's centroid. ``moved_km`` lies between the first candidate and its cell's centroid.
    """

    cells: Ids
    probability: Doubles
    lat_lng: Doubles
    photographs: Ids
    moved_km: float


def refine(
    embedding: Floats, posterior: Doubles, centroid_lat_lng: Doubles, gallery: Retrieval, settings: RefinementSettings
) -> Refined:
    """Refine the posterior (C,) of one photograph with a unit embedding (D,); centroids are (C, 2)."""
    cells = np.argsort(-posterior, kind="stable")[: settings.top_k]
    clusters, distances = gallery.nearest_clusters(embedding, cells)
    weight = reweigh(posterior[cells], distances, settings.temperature)
    order = np.argsort(-weight, kind="stable")
    photographs = np.array([_photograph(gallery, embedding, int(cluster)) for cluster in clusters[order]], np.int64)
    centroids = centroid_lat_lng[cells[order]]
    points = np.array([gallery.lat_lng(row) if row >= 0 else c for row, c in zip(photographs, centroids, strict=True)])
    unrefined = centroid_lat_lng[cells[0]]
    if haversine_km(points[0], unrefined) > settings.max_move_km:
        return _unrefined(cells, posterior[cells], centroid_lat_lng[cells])
    return Refined(cells[order], weight[order], points, photographs, float(haversine_km(points[0], centroids[0])))


def reweigh(probability: Doubles, distance: Floats, temperature: float) -> Doubles:
    """Return (T,) probabilities proportional to probability * softmax(-distance / temperature).

    An infinite distance (no photographs to compare with) counts as the largest finite one: no evidence for the cell.
    """
    known = np.isfinite(distance)
    farthest = distance[known].max() if known.any() else 0.0
    with np.errstate(divide="ignore"):  # a probability of 0 is a logarithm of -inf, and 0 again below
        exponent = np.log(probability) - np.where(known, distance, farthest).astype(np.float64) / temperature
    weight = np.exp(exponent - exponent.max())
    return np.asarray(weight / weight.sum())


def _photograph(gallery: Retrieval, embedding: Floats, cluster: int) -> int:
    return gallery.nearest_photograph(embedding, cluster) if cluster >= 0 else -1


def _unrefined(cells: Ids, probability: Doubles, centroids: Doubles) -> Refined:
    none = np.full(len(cells), -1, np.int64)
    return Refined(cells, probability / probability.sum(), centroids, none, 0.0)
