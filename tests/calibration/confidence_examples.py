"""Outcomes drawn by a law of their own, and photographs of a three-cell world, by split."""

from __future__ import annotations

import numpy as np

from pigeon_calibration.confidence.claims import WITHIN_KM
from pigeon_calibration.confidence.outcomes import Outcomes
from pigeon_edge.answer.confidence import FARTHEST_KM
from pigeon_edge.geodesy import destination
from pigeon_edge.manifest import PhotoRow
from pigeon_edge.testing import TINY_CENTROIDS, write_colour


def drawn(count, seed, sharpness=1.0, error_scale=1.0, views=4):
    """Return outcomes of photographs whose errors grow with what was expected, but by another law than it says.

    One in ten errs as if nothing had been expected. Places have several ``views``, which share half of their luck.
    """
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(count // views), views)
    luck = (rng.normal(size=count // views)[place] + rng.normal(size=count)) / np.sqrt(2)
    expected_km = rng.lognormal(5, 1.2, count)
    error_km = 3 * expected_km**0.8 * np.exp(luck / sharpness) * error_scale
    error_km = np.where(rng.random(count) < 0.1, rng.uniform(0, 3000, count) * error_scale, error_km)
    mass = 1 / (1 + (expected_km[:, None] / np.array(WITHIN_KM)) ** 2)
    probability = rng.uniform(0, 1, count)
    right = rng.random(count) < probability
    return Outcomes(np.minimum(error_km, FARTHEST_KM), expected_km, mass, probability, probability, right, place)


def rows_of_splits(folder, splits, count):
    """Return photographs of ``count`` places of each split."""
    rows, wanted, number = [], dict.fromkeys(splits, count), 0
    while any(wanted.values()):
        lat, lng = destination(TINY_CENTROIDS[number % 3], 40.0 * number, 10.0 * (number % 40))
        row = PhotoRow(folder / f"{number}.png", float(lat), float(lng), f"p{number}")
        if wanted.get(row.split):
            wanted[row.split] -= 1
            write_colour(row.path, ((250, 25, 25), (25, 250, 25), (25, 25, 250))[number % 3])
            rows.append(row)
        number += 1
    return rows
