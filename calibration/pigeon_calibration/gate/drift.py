"""PURE: what int8 changes of the answers: how far they move, how many stay right, what retrieval still finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.geodesy import haversine_km

Doubles = npt.NDArray[np.float64]

WITHIN_KM = (1, 25, 200, 750, 2500)
"""Street, city, region, country and continent, as in IM2GPS (Hays and Efros 2008)."""

NEIGHBOURS = 5


@dataclass(frozen=True)
class Moved:
    """How many kilometres lie between the best geocells of two encodings of the same photographs."""

    median_km: float
    p95_km: float


def moved(a: Encoding, b: Encoding, centroid_lat_lng: Doubles) -> Moved:
    """Return how far the centroid of the best geocell moves; centroids are (C, 2) in degrees."""
    distance_km = haversine_km(*(centroid_lat_lng[side.cell_logits.argmax(axis=1)] for side in (a, b)))
    return Moved(float(np.median(distance_km)), float(np.quantile(distance_km, 0.95, method="higher")))


def percent_within(encoding: Encoding, centroid_lat_lng: Doubles, truth: Doubles) -> dict[str, float]:
    """Return the percentage of photographs whose best geocell's centroid lies within each of ``WITHIN_KM``."""
    error_km = haversine_km(centroid_lat_lng[encoding.cell_logits.argmax(axis=1)], truth)
    return {str(limit): round(100 * float((error_km <= limit).mean()), 2) for limit in WITHIN_KM}


def retrieval_recall(reference: Encoding, candidate: Encoding) -> float | None:
    """Return how many of a photograph's nearest neighbours the candidate's embedding finds among the reference's.

    The gallery is the reference's embeddings of all other photographs. None where there are too few of them.
    """
    count = len(reference.embedding)
    if count <= NEIGHBOURS:
        return None
    gallery = _unit(reference.embedding)
    true, found = (_nearest(_unit(side.embedding), gallery) for side in (reference, candidate))
    return float(np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(true, found, strict=True)]))


def _nearest(queries: Doubles, gallery: Doubles) -> npt.NDArray[np.int64]:
    scores = queries @ gallery.T
    np.fill_diagonal(scores, -np.inf)
    return np.asarray(np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS], np.int64)


def _unit(rows: npt.ArrayLike) -> Doubles:
    vectors = np.nan_to_num(
        np.asarray(rows, np.float64), posinf=0.0, neginf=0.0
    )  # what is no number is near to nothing
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30))
