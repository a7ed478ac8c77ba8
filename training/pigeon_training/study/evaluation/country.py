"""Which country a point lies in, by polygons: the paper's way of counting right countries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pigeon_edge.geodesy import Floats
from pigeon_training.data.geography.boundaries import Boundaries
from pigeon_training.study.evaluation.predictions import Predictions, Texts

ANYWHERE_KM = 10_000.0
"""A quarter of a great circle: nowhere on earth is farther from land."""


def judged_by(boundaries: Boundaries, predictions: Predictions) -> Predictions:
    """Return the predictions with countries by polygon, in place of the names that manifest and model state.

    The answer is right if the point itself lies in the polygon of the truth's country; a truth in no polygon belongs
    to the nearest one (Haas et al. 2024). An answer at sea is in no country.
    """
    truth = countries_at(boundaries, predictions.truth_lat_lng, ANYWHERE_KM)
    return replace(predictions, true_country=truth, country=countries_at(boundaries, predictions.lat_lng, 0.0))


def countries_at(boundaries: Boundaries, lat_lng: Floats, reach_km: float) -> Texts:
    """Return (N,) the code or name of each point's country, the nearest within a reach; empty where there is none."""
    names = np.array([name.country_code or name.country for name in boundaries.names] + [""], np.str_)
    return names[boundaries.region_of(lat_lng, reach_km)]
