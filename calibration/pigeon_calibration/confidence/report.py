"""PURE: whether the promises hold on photographs that nothing was fitted on, as JSON values and as lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_calibration.confidence.claims import WITHIN_KM, Risk, risk_curve
from pigeon_calibration.confidence.outcomes import Outcomes
from pigeon_calibration.confidence.radii import radii_of
from pigeon_calibration.confidence.temperature import Bin, calibration_error, reliability
from pigeon_edge.answer.confidence import HALF, MOST, ConfidenceSettings

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)

TOLERANCE = 0.02
"""The promise: coverage on unseen photographs is off by no more, but for chance."""

Z_95 = 1.959964
"""The normal distribution has 95 % of its mass within so many standard deviations."""


@dataclass(frozen=True)
class Share:
    """The ``share`` (0..1) of ``photographs`` of ``places`` for which something holds, and its 95 % interval.

    Photographs of one place err together: the interval is that of as many trials as there are places.
    """

    share: float
    low: float
    high: float
    photographs: int
    places: int


@dataclass(frozen=True)
class Coverage:
    """How often the truth lies within a radius: in all, and in thirds of the photographs, the smallest radii first."""

    promised: float
    found: Share
    median_radius_km: float
    thirds: tuple[Share, ...]


@dataclass(frozen=True)
class ClaimKept:
    """How many photographs claim a distance, or a nearer one, and how many of these are wrong; None where none may."""

    within_km: float
    least_mass: float | None
    claimed: float
    wrong: Share | None
    wrong_of_all: float
    curve: tuple[Risk, ...]


@dataclass(frozen=True)
class Report:
    """What settings promise and what unseen photographs say; ``levels`` are pairs of promised and found coverage."""

    coverage: tuple[Coverage, ...]
    levels: tuple[tuple[float, float], ...]
    before: tuple[Bin, ...]
    after: tuple[Bin, ...]
    claims: tuple[ClaimKept, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        errors = {"before": calibration_error(self.before), "after": calibration_error(self.after)}
        return {**asdict(self), "expected_calibration_error": errors}


def report(settings: ConfidenceSettings, fitted_on: Outcomes, unseen: Outcomes) -> Report:
    """Return the report of settings on unseen photographs; other levels of coverage are fitted as the settings were."""
    step = np.searchsorted(settings.expected_km, unseen.expected_km)
    tables = {HALF: settings.radius_50_km, MOST: settings.radius_90_km}
    return Report(
        coverage=tuple(_coverage(share, np.array(table)[step], unseen) for share, table in tables.items()),
        levels=tuple((level, _found(level, settings, fitted_on, unseen, step)) for level in LEVELS),
        before=reliability(unseen.untempered, unseen.right),
        after=reliability(unseen.tempered, unseen.right),
        claims=tuple(_kept(number, settings, unseen) for number in range(len(WITHIN_KM))),
    )


def share_of(holds: Bools, place: Ids) -> Share:
    """Return the share of photographs (N,) for which something holds, with Wilson's interval (1927)."""
    share, trials = float(holds.mean()), len(np.unique(place))
    centre = (share + Z_95**2 / (2 * trials)) / (1 + Z_95**2 / trials)
    reach = Z_95 * math.sqrt(share * (1 - share) / trials + (Z_95 / (2 * trials)) ** 2) / (1 + Z_95**2 / trials)
    return Share(share, centre - reach, centre + reach, len(holds), trials)


def lines_of(found: Report, settings: ConfidenceSettings) -> Iterator[str]:
    """Yield a report as lines."""
    errors = calibration_error(found.before), calibration_error(found.after)
    yield (
        f"temperature {settings.temperature:g}: the best geocell's probability is off by {errors[1]:.1%} on average, "
        f"{errors[0]:.1%} without"
    )
    for each in found.coverage:
        thirds = ", ".join(f"{third.share:.1%}" for third in each.thirds)
        yield (
            f"truth within the {each.promised:.0%} radius: {_interval(each.found)}{_doubt(each)}, of thirds by radius "
            f"{thirds}; median radius {each.median_radius_km:,.0f} km"
        )
    yield from (_claim_line(each, settings.risk) for each in found.claims)


def _claim_line(kept: ClaimKept, risk: float) -> str:
    within = f"within {kept.within_km:,.0f} km"
    if kept.least_mass is None:
        return (
            f"{within}: never claimed, for no threshold that farther claims allow has surely at most {risk:.0%} wrong; "
            "more places may prove one"
        )
    if kept.wrong is None:
        return f"{within}: claimed by none of these"
    wrong = f"{_interval(kept.wrong)} of them wrong"
    return f"{within}: claimed by {kept.claimed:.1%}, {wrong}; {kept.wrong_of_all:.1%} of all"


def _doubt(each: Coverage) -> str:
    """Return a remark where what was found is further from the promise than chance and two points explain."""
    low, high = each.found.low - TOLERANCE, each.found.high + TOLERANCE
    return "" if low <= each.promised <= high else " (NOT as promised: other photographs than those fitted on?)"


def _interval(found: Share) -> str:
    return f"{found.share:.1%} ({found.low:.1%} to {found.high:.1%})"


def _coverage(promised: float, radius_km: Doubles, unseen: Outcomes) -> Coverage:
    holds = unseen.error_km <= radius_km
    thirds = np.array_split(np.argsort(radius_km, kind="stable"), 3)
    shares = tuple(share_of(holds[third], unseen.place[third]) for third in thirds)
    return Coverage(promised, share_of(holds, unseen.place), float(np.median(radius_km)), shares)


def _found(level: float, settings: ConfidenceSettings, fitted_on: Outcomes, unseen: Outcomes, step: Ids) -> float:
    borders_km = np.array(settings.expected_km)
    radius_km = radii_of(fitted_on.error_km, fitted_on.expected_km, borders_km, level)
    return float((unseen.error_km <= radius_km[step]).mean())


def _kept(number: int, settings: ConfidenceSettings, unseen: Outcomes) -> ClaimKept:
    wrong, mass = unseen.wrong[:, number], unseen.mass[:, number]
    least = {claim.within_km: claim.least_mass for claim in settings.claims}.get(WITHIN_KM[number])
    claims = np.zeros(len(mass), bool) if least is None else mass >= least
    share = share_of(wrong[claims], unseen.place[claims]) if claims.any() else None
    curve = risk_curve(wrong, mass)
    return ClaimKept(WITHIN_KM[number], least, float(claims.mean()), share, float(wrong.mean()), curve)
