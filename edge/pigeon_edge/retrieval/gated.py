"""Refinement by gated cells and expected score: several near photographs have a say, and the answer is what suits most.

The cells that hold most of the posterior are looked at, in each the clusters with the nearest prototypes; the most
promising clusters of all are searched. A photograph that is found weighs the probability of its cell times
exp(cosine similarity / temperature). The cell whose photographs weigh most wins; of these, the answer is the one whose
surroundings weigh most: in its cell, a lone twin far from all others loses to several that agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.retrieval.protocol import Doubles, Floats, Ids, Refined, Retrieval


@dataclass(frozen=True)
class GatedRefinement:
    """How much is searched, and what a good answer is.

    The most probable cells are gated until they hold ``posterior_mass``, at most ``max_cells``; of the nearest
    ``clusters`` of each, the ``searched_clusters`` whose prototypes would weigh most are searched. The ``neighbours``
    that weigh most have a say. ``temperature`` divides cosine similarities. Of the heaviest cell's, the answer is the
    one with the highest expected score exp(-distance / ``score_km``): a short one asks for the very place, a long one
    for the right region; GeoGuessr's is 1,492.7.
    """

    posterior_mass: float = 0.99
    max_cells: int = 40
    clusters: int = 8
    searched_clusters: int = 16
    neighbours: int = 32
    temperature: float = 0.005
    score_km: float = 1000.0

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be meant."""
        counts = min(self.max_cells, self.clusters, self.searched_clusters, self.neighbours)
        if not (0 < self.posterior_mass <= 1 and counts >= 1 and self.temperature > 0 and self.score_km > 0):
            raise UsageError(
                "refinement needs 0 < posterior_mass <= 1, max_cells, clusters, searched_clusters and neighbours >= 1, "
                f"temperature > 0 and score_km > 0, found {self}"
            )


class Candidates(NamedTuple):
    """N points that may be the answer, each with the place (N,) that its cell has among the gated ones.

    Photograph row or -1 (N,), weight (N,), coordinates (N, 2).
    """

    place: Ids
    photograph: Ids
    weight: Doubles
    lat_lng: Doubles


def refine_gated(
    embedding: Floats, posterior: Doubles, centroid_lat_lng: Doubles, gallery: Retrieval, settings: GatedRefinement
) -> Refined:
    """Refine the posterior (C,) of one photograph with a unit embedding (D,); centroids are (C, 2)."""
    cells = gate(posterior, settings.posterior_mass, settings.max_cells)
    found = _candidates(embedding, np.log(posterior[cells]), centroid_lat_lng[cells], cells, gallery, settings)
    present, best = _best_of_each(found.place, expected_score(found.lat_lng, found.weight, settings.score_km))
    mass = np.bincount(found.place, found.weight)[present].astype(np.float64)
    order = np.argsort(-mass, kind="stable")
    present, best = present[order], best[order]
    answers, photographs = found.lat_lng[best], found.photograph[best]
    moved_km = haversine_km(answers[0], centroid_lat_lng[cells[present[0]]])
    return Refined(cells[present], mass[order], answers, photographs, float(moved_km), found.lat_lng, found.weight)


def gate(posterior: Doubles, mass: float, most: int) -> Ids:
    """Return the fewest cells that hold ``mass`` of a posterior (C,), most probable first, at most ``most``."""
    order = largest(posterior, most)
    order = order[posterior[order] > 0]
    return order[: int(np.searchsorted(np.cumsum(posterior[order]), mass)) + 1]


def largest(value: Doubles, count: int) -> Ids:
    """Return the indices of the ``count`` largest of (N,) values, largest first; of equal ones the first.

    Sorts only what is kept.
    """
    left_out = len(value) - count
    kept = np.flatnonzero(value >= np.partition(value, left_out)[left_out]) if left_out > 0 else np.arange(len(value))
    return kept[np.argsort(-value[kept], kind="stable")[:count]]


def expected_score(lat_lng: Doubles, weight: Doubles, score_km: float) -> Doubles:
    """Return the score exp(-distance / ``score_km``) that each of (N, 2) points has if the truth is one of them.

    ``weight`` (N,) is the probability of each to be it.
    """
    apart_km = haversine_km(lat_lng[:, None], lat_lng[None])  # (N, N)
    return np.asarray(np.exp(-apart_km / score_km) @ weight)


def _best_of_each(place: Ids, score: Doubles) -> tuple[Ids, Ids]:
    """Return the places that occur in (N,), ascending, and the index of the best score (N,) of each."""
    order = np.lexsort((-score, place))
    present, first = np.unique(place[order], return_index=True)
    return present, order[first]


def _candidates(
    embedding: Floats,
    log_probability: Doubles,
    centroid_lat_lng: Doubles,
    cells: Ids,
    gallery: Retrieval,
    settings: GatedRefinement,
) -> Candidates:
    """Return the photographs of (T,) cells that weigh most, and the centroids (T, 2) of cells that have none.

    Such a centroid counts as similar as the least similar photograph: no evidence for the cell, nor against it.
    """
    clusters, apart = gallery.nearest_clusters(embedding, cells, settings.clusters)  # (T, clusters), -1 for none
    searched = _heaviest(_exponent(log_probability[:, None], apart, settings.temperature), settings.searched_clusters)
    place = searched // settings.clusters  # of each searched cluster's cell
    rows, distance = gallery.nearest_photographs(embedding, clusters.ravel()[searched], settings.neighbours)
    exponent = _exponent(log_probability[place, None], distance, settings.temperature)  # (K, neighbours)
    heaviest = _heaviest(exponent, settings.neighbours)
    empty = _without_photographs(np.isfinite(apart), searched, place[rows[:, 0] >= 0])
    farthest = distance.max(where=rows >= 0, initial=0.0)
    least = _exponent(log_probability[empty], np.full(len(empty), farthest), settings.temperature)
    exponent, rows = np.concatenate([exponent.ravel()[heaviest], least]), rows.ravel()[heaviest]
    weight = np.exp(exponent - exponent.max())
    return Candidates(
        np.concatenate([place[heaviest // settings.neighbours], empty]),
        np.concatenate([rows, np.full(len(empty), -1, np.int64)]),
        weight / weight.sum(),
        np.concatenate([gallery.lat_lng(rows), centroid_lat_lng[empty]]),
    )


def _heaviest(exponent: Doubles, count: int) -> Ids:
    """Return the places, in (...) made flat, of the largest exponents, at most ``count`` and none of -inf."""
    flat = exponent.ravel()
    order = largest(flat, count)
    return order[np.isfinite(flat[order])]


def _without_photographs(clusters: npt.NDArray[np.bool_], searched: Ids, places_found: Ids) -> Ids:
    """Return the places of cells whose every cluster, if there are any (T, P), was searched to no avail."""
    unsearched = clusters.copy()
    unsearched.ravel()[searched] = False
    open_question = np.asarray(unsearched.any(axis=1))
    open_question[places_found] = True
    return np.flatnonzero(~open_question)


def _exponent(log_probability: Doubles, distance: Floats, temperature: float) -> Doubles:
    """Return (...,) log(probability) + cosine similarity / temperature of unit vectors at a distance."""
    similarity = 1 - distance.astype(np.float64) ** 2 / 2
    return np.asarray(log_probability + similarity / temperature)
