"""Single photographs worth looking at: the farthest off, the least sure, and the surest of those far off. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeon_training.study.evaluation.predictions import Ints, Predictions

EXAMPLES = 12
FAR_KM = 750.0
"""An answer beyond this is in the wrong country, by the field's thresholds."""


@dataclass(frozen=True)
class Example:
    """One photograph; ``truth`` and ``estimate`` are latitude and longitude in degrees."""

    path: str
    truth: tuple[float, float]
    estimate: tuple[float, float]
    error_km: float
    radius_km: float | None
    entropy_nats: float | None
    true_country: str
    country: str


def worst(predictions: Predictions, count: int = EXAMPLES) -> tuple[Example, ...]:
    """Return the photographs with the largest error, the largest first."""
    return _examples(predictions, np.argsort(-predictions.error_km, kind="stable")[:count])


def most_uncertain(predictions: Predictions, count: int = EXAMPLES) -> tuple[Example, ...]:
    """Return the photographs with the largest radius, or entropy where there is no radius; none without either."""
    if predictions.uncertainty is None:
        return ()
    return _examples(predictions, np.argsort(-predictions.uncertainty, kind="stable")[:count])


def confidently_wrong(predictions: Predictions, count: int = EXAMPLES) -> tuple[Example, ...]:
    """Return the photographs that are more than 750 km off, the surest first; none where nobody knows how sure."""
    if predictions.uncertainty is None:
        return ()
    order = np.argsort(predictions.uncertainty, kind="stable")
    return _examples(predictions, order[predictions.error_km[order] > FAR_KM][:count])


def _examples(predictions: Predictions, numbers: Ints) -> tuple[Example, ...]:
    return tuple(_example(predictions, number) for number in numbers.tolist())


def _example(predictions: Predictions, number: int) -> Example:
    def text(column: str) -> str:
        values = getattr(predictions, column)
        return "" if values is None else str(values[number])

    def rounded(column: str, digits: int) -> float | None:
        values = getattr(predictions, column)
        return None if values is None else round(float(values[number]), digits)

    (lat, lng), (answer_lat, answer_lng) = predictions.truth_lat_lng[number], predictions.lat_lng[number]
    return Example(
        path=text("path"),
        truth=(round(float(lat), 6), round(float(lng), 6)),
        estimate=(round(float(answer_lat), 6), round(float(answer_lng), 6)),
        error_km=round(float(predictions.error_km[number]), 2),
        radius_km=rounded("radius_km", 1),
        entropy_nats=rounded("entropy_nats", 3),
        true_country=text("true_country"),
        country=text("country"),
    )
