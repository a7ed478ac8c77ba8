"""What an ablation found: errors of every test photograph with every seed, and what they say. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_training.evaluation.metrics import (
    DistanceIntervals,
    Distances,
    Interval,
    Statistic,
    bootstrap,
    distance_intervals,
    distances,
    median_of,
    percent,
)

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A row: error_km (R, N) and right_country (R, N) of N test photographs with each of R seeds."""

    name: str
    error_km: Doubles
    right_country: Flags


@dataclass(frozen=True)
class Finding:
    """What a row says. Intervals are over test places, with the errors of all seeds.

    ``seed_medians_km`` (R,) are the medians of single seeds. ``gain_km`` is how much lower the median is than that of
    the row ``against``, with its interval: places are drawn for both rows at once.
    """

    name: str
    distances: Distances
    intervals: DistanceIntervals
    country_percent: float
    seed_medians_km: tuple[float, ...]
    against: str | None
    gain_km: float | None
    gain_interval: Interval | None

    @property
    def verdict(self) -> str:
        """Return whether the row differs from the one it is held against, as far as these places tell."""
        if self.gain_interval is None:
            return ""
        if self.gain_interval.low > 0:
            return "better"
        return "worse" if self.gain_interval.high < 0 else "no difference"


def finding(outcome: Outcome, place: Ids, against: Outcome | None) -> Finding:
    """Return what a row says, held against another; ``place`` (N,) numbers the places of the photographs."""
    places = np.tile(place, len(outcome.error_km))
    error_km = outcome.error_km.ravel()
    gain_km, interval = None, None
    if against is not None:
        gain_km = round(float(np.median(against.error_km) - np.median(error_km)), 1)
        (interval,) = bootstrap(_difference(against.error_km.ravel(), error_km), places)
    return Finding(
        outcome.name,
        distances(error_km),
        distance_intervals(error_km, places),
        percent(outcome.right_country.ravel()),
        tuple(round(float(median), 1) for median in np.median(outcome.error_km, axis=1)),
        against.name if against else None,
        gain_km,
        interval,
    )


def _difference(before_km: Doubles, after_km: Doubles) -> Statistic:
    before, after = median_of(before_km), median_of(after_km)
    return lambda counts: np.asarray(before(counts) - after(counts))
