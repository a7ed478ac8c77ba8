"""Refinement by gated cells and expected score: several near photographs have a say, and the answer is what suits most.

The cells that hold most of the posterior are searched, in each the clusters with the nearest prototypes. A photograph
that is found weighs the probability of its cell times exp(cosine similarity / temperature). The answer is the
photograph whose surroundings weigh most: a lone twin far from all others loses to several that agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.retrieval import Doubles, Floats, Ids, Refined, Retrieval


@dataclass(frozen=True)
class GatedRefinement:
    """How much is searched, and what a good answer is.

    The most probable cells are searched until they hold ``posterior_mass``, at most ``max_cells``; in each the
    photographs of its nearest ``clusters``. The ``neighbours`` that weigh most have a say. ``temperature`` divides
    cosine similarities. The answer is the one with the highest expected score exp(-distance / ``score_km``): a short
    one asks for the very place, a long one for the right region; GeoGuessr's is 1,492.7.
    """

    posterior_mass: float = 0.99
    max_cells: int = 40
    clusters: int = 8
    neighbours: int = 32
    temperature: float = 0.005
    score_km: float = 1000.0

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be meant."""
        counts = min(self.max_cells, self.clusters, self.neighbours)
        if not (0 < self.posterior_mass <= 1 and counts >= 1 and self.temperature > 0 and self.score_km > 0):
            raise UsageError(
                "refinement needs 0 < posterior_mass <= 1, max_cells, clusters and neighbours >= 1, temperature > 0 "
                f"and score_km > 0, found {self}"
            )


class Candidates(NamedTuple):
    """N points that may be the answer: cell (N,), photograph row or -1 (N,), weight (N,), coordinates (N, 2)."""

    cell: Ids
    photograph: Ids
    weight: Doubles
    lat_lng: Doubles


def refine_gated(
    embedding: Floats, posterior: Doubles, centroid_lat_lng: Doubles, gallery: Retrieval, settings: GatedRefinement
) -> Refined:
    """Refine the posterior (C,) of one photograph with a unit embedding (D,); centroids are (C, 2)."""
    cells = gate(posterior, settings.posterior_mass, settings.max_cells)
    found = _candidates(embedding, posterior, cells, centroid_lat_lng, gallery, settings)
    score = expected_score(found.lat_lng, found.weight, settings.score_km)
    present = cells[np.isin(cells, found.cell)]
    mass = np.array([found.weight[found.cell == cell].sum() for cell in present])
    order = np.argsort(-mass, kind="stable")
    best = np.array([np.where(found.cell == cell, score, -1.0).argmax() for cell in present[order]])
    moved_km = haversine_km(found.lat_lng[best[0]], centroid_lat_lng[found.cell[best[0]]])
    answers, photographs = found.lat_lng[best], found.photograph[best]
    return Refined(present[order], mass[order], answers, photographs, float(moved_km), found.lat_lng, found.weight)


def gate(posterior: Doubles, mass: float, most: int) -> Ids:
    """Return the fewest cells that hold ``mass`` of a posterior (C,), most probable first, at most ``most``."""
    order = np.argsort(-posterior, kind="stable")[:most]
    order = order[posterior[order] > 0]
    return order[: int(np.searchsorted(np.cumsum(posterior[order]), mass)) + 1]


def expected_score(lat_lng: Doubles, weight: Doubles, score_km: float) -> Doubles:
    """Return the score exp(-distance / ``score_km``) that each of (N, 2) points has if the truth is one of them.

    ``weight`` (N,) is the probability of each to be it.
    """
    apart_km = haversine_km(lat_lng[:, None], lat_lng[None])  # (N, N)
    return np.asarray(np.exp(-apart_km / score_km) @ weight)


def _candidates(
    embedding: Floats,
    posterior: Doubles,
    cells: Ids,
    centroid_lat_lng: Doubles,
    gallery: Retrieval,
    settings: GatedRefinement,
) -> Candidates:
    """Return the photographs of the cells that weigh most, and the centroids of cells that have none.

    Such a centroid counts as similar as the least similar photograph: no evidence for the cell, nor against it.
    """
    clusters = gallery.nearest_clusters(embedding, cells, settings.clusters)[0]  # (T, clusters), -1 for none
    rows, distance = gallery.nearest_photographs(embedding, clusters.ravel(), settings.neighbours)
    number, place = np.nonzero(rows >= 0)
    cell, rows = np.repeat(cells, settings.clusters)[number], rows[number, place]
    exponent = _exponent(posterior[cell], distance[number, place], settings.temperature)
    heaviest = np.argsort(-exponent, kind="stable")[: settings.neighbours]
    empty = cells[~np.isin(cells, cell)]
    farthest = np.full(len(empty), distance[number, place].max(initial=0.0))
    exponent = np.concatenate([exponent[heaviest], _exponent(posterior[empty], farthest, settings.temperature)])
    weight = np.exp(exponent - exponent.max())
    return Candidates(
        np.concatenate([cell[heaviest], empty]),
        np.concatenate([rows[heaviest], np.full(len(empty), -1, np.int64)]),
        weight / weight.sum(),
        np.concatenate([gallery.lat_lng(rows[heaviest]), centroid_lat_lng[empty]]),
    )


def _exponent(probability: Doubles, distance: Floats, temperature: float) -> Doubles:
    """Return (N,) log(probability) + cosine similarity / temperature of unit vectors at a distance."""
    similarity = 1 - distance.astype(np.float64) ** 2 / 2
    return np.asarray(np.log(probability) + similarity / temperature)
