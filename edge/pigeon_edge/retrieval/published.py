"""Hierarchical retrieval refinement as published (Haas et al., CVPR 2024, section 3.4), on the sphere.

The classifier's best cells are re-weighted by how near their best prototype is; each cell answers with the *nearest*
photograph of its best cluster. A cell without photographs answers with its centroid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.retrieval.protocol import Doubles, Floats, Ids, Refined, Retrieval


@dataclass(frozen=True)
class PaperRefinement:
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


NO_LIMIT_KM = 20100.0
"""More than half a great circle."""

PUBLISHED = {
    "pigeon": PaperRefinement(top_k=5, temperature=1.6, max_move_km=1000.0),
    "pigeotto": PaperRefinement(top_k=40, temperature=0.6, max_move_km=NO_LIMIT_KM),
}
"""The published values. Their temperatures are for embeddings of the length that CLIP gives them: see below."""


def on_unit_scale(published: PaperRefinement, embedding: Floats) -> PaperRefinement:
    """Return published settings for embeddings of unit length, told by raw embeddings (N, D) of the encoder.

    Distances shrink with the embeddings, so the temperature is divided by their median length. That is exact where
    all have one length, and another encoder's temperature is only a place to begin a search.
    """
    length = float(np.median(np.linalg.norm(embedding, axis=1)))
    return replace(published, temperature=published.temperature / length)


def refine_as_published(
    embedding: Floats, posterior: Doubles, centroid_lat_lng: Doubles, gallery: Retrieval, settings: PaperRefinement
) -> Refined:
    """Refine the posterior (C,) of one photograph with a unit embedding (D,); centroids are (C, 2)."""
    cells = np.argsort(-posterior, kind="stable")[: settings.top_k]
    clusters, distances = gallery.nearest_clusters(embedding, cells, 1)  # (T, 1)
    weight = reweigh(posterior[cells], distances[:, 0], settings.temperature)
    order = np.argsort(-weight, kind="stable")
    photographs = gallery.nearest_photographs(embedding, clusters[order, 0], 1)[0][:, 0]
    centroids = centroid_lat_lng[cells[order]]
    points = centroids.copy()
    points[photographs >= 0] = gallery.lat_lng(photographs[photographs >= 0])
    unrefined = centroid_lat_lng[cells[0]]
    if haversine_km(points[0], unrefined) > settings.max_move_km:
        return _unrefined(cells, posterior[cells], centroid_lat_lng[cells])
    moved_km = float(haversine_km(points[0], centroids[0]))
    return Refined(cells[order], weight[order], points, photographs, moved_km, points, weight[order])


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


def _unrefined(cells: Ids, probability: Doubles, centroids: Doubles) -> Refined:
    none = np.full(len(cells), -1, np.int64)
    chances = probability / probability.sum()
    return Refined(cells, chances, centroids, none, 0.0, centroids, chances)
