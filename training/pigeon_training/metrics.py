"""The field's metrics of geolocation. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

THRESHOLDS_KM = (1.0, 25.0, 200.0, 750.0, 2500.0)
"""Street, city, region, country, continent (Hays and Efros 2008; Vo et al. 2017)."""


@dataclass(frozen=True)
class Accuracy:
    """Of N photographs: the median error in km, and the percentage within each threshold (<=)."""

    photographs: int
    median_km: float
    percent_within_km: dict[str, float]


def accuracy(error_km: npt.NDArray[np.float64]) -> Accuracy:
    """Return the metrics of errors (N,)."""
    within = {f"{limit:g}": round(float(np.mean(error_km <= limit) * 100), 2) for limit in THRESHOLDS_KM}
    return Accuracy(len(error_km), round(float(np.median(error_km)), 2), within)
