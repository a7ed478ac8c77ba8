"""How good a bundle is: single photographs of places that training never saw, through the device's own runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import haversine_km
from pigeon_edge.locator import Locator
from pigeon_edge.photo_manifest import PhotoRow, lat_lng_of_rows
from pigeon_training.baselines import constant_guess, nearest_pixels
from pigeon_training.dataset import read_all_pixels
from pigeon_training.metrics import Accuracy, accuracy

CHUNK = 128


@dataclass(frozen=True)
class Evaluation:
    """What a bundle reaches on single photographs, beside what it has to beat."""

    bundle: str
    places: int
    ours: Accuracy
    by_centroid: Accuracy
    constant_guess: Accuracy
    nearest_pixels: Accuracy
    country_percent: float
    promised_coverage: float
    measured_coverage: float
    median_radius_km: float

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as JSON values."""
        return asdict(self)


def evaluate(locator: Locator, rows: Sequence[PhotoRow], training: Sequence[PhotoRow]) -> Evaluation:
    """Locate the photographs of ``rows``, and let the baselines answer from the photographs of ``training``."""
    truth = lat_lng_of_rows(rows)
    pixels = read_all_pixels(rows, locator.preprocess)
    chunks = [locator.locate(pixels[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
    estimates = [estimate for chunk in chunks for estimate in chunk]
    error_km = haversine_km([estimate.lat_lng for estimate in estimates], truth)
    radius_km = np.array([estimate.radius_km for estimate in estimates])
    country = np.array([e.place.country_code == r.country_code for e, r in zip(estimates, rows, strict=True)])
    training_lat_lng = lat_lng_of_rows(training)
    return Evaluation(
        bundle=locator.label,
        places=len(rows),
        ours=accuracy(error_km),
        by_centroid=accuracy(_centroid_error_km(locator, pixels, truth)),
        constant_guess=accuracy(constant_guess(training_lat_lng, truth)),
        nearest_pixels=accuracy(nearest_pixels(training, locator.preprocess, pixels, truth)),
        country_percent=round(float(country.mean() * 100), 2),
        promised_coverage=locator.confidence.coverage,
        measured_coverage=round(float(np.mean(error_km <= radius_km)), 4),
        median_radius_km=round(float(np.median(radius_km)), 1),
    )


def _centroid_error_km(
    locator: Locator, pixels: npt.NDArray[np.uint8], truth: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return (N,) errors of the classifier alone: the centroid of the most probable cell."""
    starts = range(0, len(pixels), CHUNK)
    logits = np.concatenate([locator.encoder.encode(pixels[start : start + CHUNK]).cell_logits for start in starts])
    return haversine_km(locator.cells.centroid_lat_lng[logits.argmax(axis=1)], truth)
