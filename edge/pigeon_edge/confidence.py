"""How sure an answer is: temperature and a radius that keeps a stated promise. Applies what calibration fitted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pigeon_edge.bundle import Bundle
from pigeon_edge.errors import BundleError, UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.settings import read_settings

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ConfidenceSettings:
    """What was fitted on held-out photographs, ``fitted_on`` of them.

    ``temperature`` divides the logits. The radius is ``radius_scale`` times the spread of the posterior (at least
    ``floor_km``), so chosen that ``coverage`` (0..1) of the truths lie within it.
    """

    temperature: float
    coverage: float
    radius_scale: float
    floor_km: float
    fitted_on: int


UNFITTED = ConfidenceSettings(temperature=1.0, coverage=0.9, radius_scale=1.0, floor_km=25.0, fitted_on=0)
"""What a bundle has before calibration: the posterior taken at its word."""


def spread_km(lat_lng: npt.ArrayLike, posterior: Doubles, centroid_lat_lng: Doubles, coverage: float) -> float:
    """Return the distance from a point (2,) within which cells (C, 2) hold ``coverage`` of the posterior (C,)."""
    distance_km = haversine_km(np.asarray(lat_lng), centroid_lat_lng)
    order = np.argsort(distance_km, kind="stable")
    mass = np.cumsum(posterior[order])
    return float(distance_km[order][min(int(np.searchsorted(mass, coverage)), len(order) - 1)])


def radius_km(spread: float, settings: ConfidenceSettings) -> float:
    """Return the radius promised for a spread of the posterior, in km."""
    return settings.radius_scale * max(spread, settings.floor_km)


def open_confidence(bundle: Bundle) -> ConfidenceSettings:
    """Read a bundle's confidence settings. Raises BundleError where they are malformed."""
    return read_confidence(bundle.file("confidence.json"))


def read_confidence(path: Path) -> ConfidenceSettings:
    """Read confidence settings. Raises BundleError where they are malformed."""
    try:
        return read_settings(ConfidenceSettings, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, UsageError) as error:
        raise BundleError(f"{path}: expected confidence settings, {error}; fit or copy them again") from error
