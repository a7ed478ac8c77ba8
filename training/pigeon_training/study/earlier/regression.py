"""Regression to coordinates: a linear map from the embedding to a point in space, brought to the sphere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeon_edge.geodesy import haversine_km, lat_lng_of, unit_vectors
from pigeon_training.study.baselines import medoid
from pigeon_training.study.earlier.photographs import Doubles, Embeddings, Photographs

CHUNK = 1 << 14
"""Photographs taken to float64 at once: 130 MB at width 1,024."""

SHORTEST = 1e-9
"""A predicted vector shorter than this has no direction."""


@dataclass(frozen=True)
class Regression:
    """Ridge regression to unit vectors, in closed form, under the penalty with the least median validation error.

    The targets are unit vectors and not degrees, so that the antimeridian is no edge and the loss is the squared chord.
    A penalty counts in mean variances of the embedding's components. A prediction of no direction answers with the
    medoid of the training places.
    """

    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)

    def __call__(self, training: Photographs, validation: Photographs, queries: Embeddings) -> Doubles:
        """Return the directions (Q, 2) of the predicted vectors."""
        fallback = medoid(training.lat_lng)
        moments = moments_of(training)
        maps = [fit_map(moments, penalty) for penalty in self.penalties]
        errors = [_median_km(linear.place(validation.embedding, fallback), validation.lat_lng) for linear in maps]
        return maps[int(np.argmin(errors))].place(queries, fallback)


@dataclass(frozen=True, eq=False)
class Moments:
    """Of embeddings and unit vectors: means (D,) and (3,), covariance (D, D) and cross-covariance (D, 3)."""

    embedding: Doubles
    vector: Doubles
    covariance: Doubles
    cross: Doubles


@dataclass(frozen=True, eq=False)
class LinearMap:
    """From embeddings to space: coefficients (D, 3) and an intercept (3,)."""

    coefficients: Doubles
    intercept: Doubles

    def place(self, embedding: Embeddings, fallback: Doubles) -> Doubles:
        """Return the directions (N, 2) of embeddings (N, D), and ``fallback`` (2,) where there is none."""
        vectors = embedding.astype(np.float64) @ self.coefficients + self.intercept  # (N, 3)
        directed = np.linalg.norm(vectors, axis=1) > SHORTEST
        answer = np.broadcast_to(fallback, (len(vectors), 2)).copy()
        answer[directed] = lat_lng_of(vectors[directed])
        return answer


def moments_of(training: Photographs) -> Moments:
    """Return the moments of training photographs, added up chunk by chunk."""
    mean = training.embedding.mean(axis=0, dtype=np.float64)
    vectors = unit_vectors(training.lat_lng)
    covariance, cross = np.zeros((len(mean), len(mean))), np.zeros((len(mean), 3))
    for start in range(0, len(vectors), CHUNK):
        centred = training.embedding[start : start + CHUNK] - mean  # (B, D) float64
        covariance += centred.T @ centred / len(vectors)
        cross += centred.T @ vectors[start : start + CHUNK] / len(vectors)
    return Moments(mean, vectors.mean(axis=0), covariance, cross)


def fit_map(moments: Moments, penalty: float) -> LinearMap:
    """Return the map with the least mean squared chord plus penalty; the intercept is not penalised."""
    width = len(moments.embedding)
    variance = np.trace(moments.covariance) / width or 1.0  # embeddings that never vary: a map to the mean vector
    damped = moments.covariance + penalty * variance * np.eye(width)
    coefficients: Doubles = np.asarray(np.linalg.solve(damped, moments.cross), np.float64)
    return LinearMap(coefficients, moments.vector - moments.embedding @ coefficients)


def _median_km(answer: Doubles, truth: Doubles) -> float:
    return float(np.median(haversine_km(answer, truth)))
