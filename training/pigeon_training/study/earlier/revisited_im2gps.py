"""IM2GPS revisited (Vo, Jacobs and Hays 2017): where the places of the k nearest photographs are densest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import EARTH_RADIUS_KM, haversine_km
from pigeon_training.study.earlier.neighbours import nearest
from pigeon_training.study.earlier.photographs import Doubles, Embeddings, Photographs

SQUARED_FLOOR = 1e-6
"""Squared distances below this are rounding of float32; it bounds the weight of an identical photograph."""


@dataclass(frozen=True)
class RevisitedIm2gps:
    """A Gaussian kernel density over the places of the ``k`` nearest training photographs.

    The defaults are those of the authors' program (``predict_gps.m``): 100 neighbours of unit length; each weighs 1 /
    distance^10, the distance being FLANN's, which is squared; sigma is 4 degrees, in which the paper's "sigma = 4"
    counts; the answer is the most similar neighbour within 100 km of the mode. The program seeks the mode on a grid of
    degrees, first of 1, then of 0.1; here distances are great circles, and the mode is sought among the neighbours, so
    that neither the poles nor the antimeridian are edges.
    """

    k: int = 100
    sigma_deg: float = 4.0
    power: float = 10.0
    reach_km: float = 100.0

    def __post_init__(self) -> None:
        """Raise UsageError for settings that cannot be meant."""
        if self.k < 1 or self.sigma_deg <= 0 or self.power < 0 or self.reach_km < 0:
            raise UsageError(f"expected k of 1 or more, a positive sigma, and no negative power or reach, found {self}")

    def __call__(self, training: Photographs, _validation: Photographs, queries: Embeddings) -> Doubles:
        """Return the places (Q, 2) of the chosen neighbours."""
        squared, row = nearest(queries, training.embedding, self.k)
        floored = np.maximum(squared, SQUARED_FLOOR)
        weight = (floored[:, :1] / floored) ** self.power  # of the nearest 1: only ratios count
        answers = [self.densest(training.lat_lng[own], heavy) for own, heavy in zip(row, weight, strict=True)]
        return np.array(answers, np.float64).reshape(-1, 2)

    def densest(self, lat_lng: Doubles, weight: Doubles) -> Doubles:
        """Return the place (2,) of the first of ``lat_lng`` (K, 2) that is within reach of the densest.

        The density at a place is the sum over all of weight (K,) times exp(-angle^2 / (2 sigma^2)).
        """
        distance_km = haversine_km(lat_lng[:, None], lat_lng[None])  # (K, K)
        sigma_km = np.radians(self.sigma_deg) * EARTH_RADIUS_KM
        density = np.exp(-0.5 * (distance_km / sigma_km) ** 2) @ weight
        within = distance_km[density.argmax()] <= self.reach_km
        return np.asarray(lat_lng[within.argmax()])
