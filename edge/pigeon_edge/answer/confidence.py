"""How sure an answer is: two radii that keep their promise, and the distance it may claim. Applies what was fitted."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.cells import CellTable
from pigeon_edge.errors import BundleError, UsageError
from pigeon_edge.geodesy import EARTH_RADIUS_KM, haversine_km
from pigeon_edge.retrieval.protocol import Refined
from pigeon_edge.settings import read_settings

Doubles = npt.NDArray[np.float64]

HALF, MOST = 0.5, 0.9
"""The shares of truths that lie within the smaller and within the larger radius."""

FEWEST_PLACES = 20
"""Held-out places to fit a radius on, and to judge it by: with fewer, the conformal rank of 90 % is that of the largest
error, or none at all."""

FARTHEST_KM = math.pi * EARTH_RADIUS_KM
"""Half a great circle: a radius of this much excludes nothing."""


def _ascends(values: Iterable[float]) -> bool:
    return all(a <= b for a, b in pairwise(values))


class Claim(NamedTuple):
    """A distance that an answer may claim: at least ``least_mass`` (0..1) of what was weighed lies within it."""

    within_km: float
    least_mass: float


@dataclass(frozen=True)
class ConfidenceSettings:
    """What was fitted on held-out photographs, ``fitted_on`` of them.

    ``temperature`` divides the logits. The radii are tables: answers whose expected error is at most ``expected_km[i]``
    (S - 1,) have the radius ``[i]`` (S,), the surest first. ``claims`` are the distances that answers may claim, the
    nearest first; of the answers that claim one of them, or a nearer one, at most ``risk`` (0..1) are wrong.
    ``graph_sha256`` is of the INT8 graph whose answers these were, None where it was not written down.
    """

    temperature: float
    expected_km: tuple[float, ...]
    radius_50_km: tuple[float, ...]
    radius_90_km: tuple[float, ...]
    risk: float
    claims: tuple[Claim, ...]
    fitted_on: int
    graph_sha256: str | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be meant."""
        if not (self.temperature > 0 and 0 < self.risk < 1):
            raise UsageError(f"confidence needs temperature > 0 and 0 < risk < 1, found {self}")
        tables = (self.expected_km, self.radius_50_km, self.radius_90_km)
        fits = not any(tables) or len(self.radius_50_km) == len(self.radius_90_km) == len(self.expected_km) + 1
        nested = all(a <= b for a, b in zip(self.radius_50_km, self.radius_90_km, strict=False))
        if not (fits and nested and all(map(_ascends, tables))):
            raise UsageError(f"confidence needs radii that ascend, one more than expected errors, found {tables}")
        if not (_ascends(c.within_km for c in self.claims) and _ascends(-c.least_mass for c in self.claims)):
            raise UsageError(f"confidence needs claims of ascending distance and descending mass, found {self.claims}")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {**asdict(self), "claims": [claim._asdict() for claim in self.claims]}


UNFITTED = ConfidenceSettings(
    temperature=1.0, expected_km=(), radius_50_km=(), radius_90_km=(), risk=0.1, claims=(), fitted_on=0
)
"""What a bundle has before calibration: the posterior taken at its word, and no distance claimed."""


class Stated(NamedTuple):
    """What is promised of an answer: the radii of half and most truths, and the nearest distance that it may claim."""

    radius_50_km: float
    radius_90_km: float
    within_km: float | None


def stated(refined: Refined, posterior: Doubles, cells: CellTable, settings: ConfidenceSettings) -> Stated:
    """Return what is promised of the first candidate; the posterior (C,) has a say only where nothing was fitted."""
    if not settings.radius_90_km:
        half, most = (spread_km(refined.lat_lng[0], posterior, cells, coverage) for coverage in (HALF, MOST))
        return Stated(half, most, None)
    step = bisect_left(settings.expected_km, expected_error_km(refined))
    claims = (c.within_km for c in settings.claims if mass_within(refined, c.within_km) >= c.least_mass)
    return Stated(settings.radius_50_km[step], settings.radius_90_km[step], next(claims, None))


def expected_error_km(refined: Refined) -> float:
    """Return the mean distance from the answer to all points that were weighed, by their weight."""
    return float(haversine_km(refined.lat_lng[0], refined.points) @ refined.weights)


def mass_within(refined: Refined, within_km: float) -> float:
    """Return the weight (0..1) of the points within a distance of the answer."""
    return float(refined.weights[haversine_km(refined.lat_lng[0], refined.points) <= within_km].sum())


def spread_km(lat_lng: npt.ArrayLike, posterior: Doubles, cells: CellTable, coverage: float) -> float:
    """Return the distance from a point (2,) within which whole cells hold ``coverage`` of the posterior (C,).

    A cell counts as within a distance that passes its centroid by the cell's own reach.
    """
    distance_km = haversine_km(np.asarray(lat_lng), cells.centroid_lat_lng) + cells.reach_km  # (C,)
    order = np.argsort(distance_km, kind="stable")
    mass = np.cumsum(posterior[order])
    farthest = float(distance_km[order][min(int(np.searchsorted(mass, coverage)), len(order) - 1)])
    return min(farthest, FARTHEST_KM)


def read_confidence(path: Path) -> ConfidenceSettings:
    """Read confidence settings. Raises BundleError where they are malformed, or have one radius for all."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if "radius_scale" in document:
            raise BundleError(
                f"{path}: fitted by an earlier version, with one radius for all; run `pigeon-edge calibrate "
                "confidence` on the bundle, and pack it with what that writes"
            )
        return _settings_of(document)
    except (OSError, ValueError, TypeError, AttributeError, UsageError) as error:
        raise BundleError(f"{path}: expected confidence settings, {error}; fit or copy them again") from error


def _settings_of(document: Mapping[str, Any]) -> ConfidenceSettings:
    listed: dict[str, Any] = {"graph_sha256": None}
    listed |= {key: tuple(value) if isinstance(value, list) else value for key, value in document.items()}
    claims = {"claims": tuple(Claim(**claim) for claim in listed["claims"])} if "claims" in listed else {}
    return read_settings(ConfidenceSettings, {**listed, **claims})
