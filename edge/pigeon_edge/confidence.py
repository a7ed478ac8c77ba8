"""How sure an answer is: temperature and a radius that keeps a stated promise. Applies what calibration fitted."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pigeon_edge.bundle import Bundle
from pigeon_edge.cells import CellTable
from pigeon_edge.errors import BundleError, UsageError
from pigeon_edge.geodesy import EARTH_RADIUS_KM, haversine_km
from pigeon_edge.settings import read_settings

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ConfidenceSettings:
    """What was fitted on held-out photographs, ``fitted_on`` of them.

    ``temperature`` divides the logits. The radius is ``radius_scale`` times the spread of the posterior, so chosen that
    ``coverage`` (0..1) of the truths lie within it.
    """

    temperature: float
    coverage: float
    radius_scale: float
    fitted_on: int

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be meant."""
        if not (self.temperature > 0 and 0 < self.coverage < 1 and self.radius_scale > 0):
            raise UsageError(f"confidence needs temperature > 0, 0 < coverage < 1 and radius_scale > 0, found {self}")


UNFITTED = ConfidenceSettings(temperature=1.0, coverage=0.9, radius_scale=1.0, fitted_on=0)
"""What a bundle has before calibration: the posterior taken at its word."""

FARTHEST_KM = math.pi * EARTH_RADIUS_KM
"""Half a great circle: a radius of this much excludes nothing."""


def spread_km(lat_lng: npt.ArrayLike, posterior: Doubles, cells: CellTable, coverage: float) -> float:
    """Return the distance from a point (2,) within which whole cells hold ``coverage`` of the posterior (C,).

    A cell counts as within a distance that passes its centroid by the cell's own reach.
    """
    distance_km = haversine_km(np.asarray(lat_lng), cells.centroid_lat_lng) + cells.reach_km  # (C,)
    order = np.argsort(distance_km, kind="stable")
    mass = np.cumsum(posterior[order])
    return float(distance_km[order][min(int(np.searchsorted(mass, coverage)), len(order) - 1)])


def radius_km(spread: float, settings: ConfidenceSettings) -> float:
    """Return the radius promised for a spread of the posterior, in km; at most half a great circle."""
    return min(settings.radius_scale * spread, FARTHEST_KM)


def open_confidence(bundle: Bundle) -> ConfidenceSettings:
    """Read a bundle's confidence settings. Raises BundleError where they are malformed."""
    return read_confidence(bundle.file("confidence.json"))


def read_confidence(path: Path) -> ConfidenceSettings:
    """Read confidence settings. Raises BundleError where they are malformed."""
    try:
        return read_settings(ConfidenceSettings, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, UsageError) as error:
        raise BundleError(f"{path}: expected confidence settings, {error}; fit or copy them again") from error
