"""What an ablation found: errors of every test photograph with every seed, and what they say. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_training.study.evaluation.metrics import (
    DistanceIntervals,
    Distances,
    Interval,
    bootstrap,
    distance_intervals,
    distances,
    geoguessr_score,
    mean_of,
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

    ``seed_medians_km`` (R,) are the medians of single seeds. ``gain`` is how many points of GeoGuessr's score the row
    has more than the row ``against``, on average, with its interval: places are drawn for both rows at once. Medians
    jump where few errors lie, a mean score does not.
    """

    name: str
    distances: Distances
    intervals: DistanceIntervals
    country_percent: float
    seed_medians_km: tuple[float, ...]
    against: str | None
    gain: float | None
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
    gain, interval = None, None
    if against is not None:
        points = geoguessr_score(error_km) - geoguessr_score(against.error_km.ravel())
        gain = round(float(points.mean()), 1)
        (interval,) = bootstrap(mean_of(points), places)
    return Finding(
        outcome.name,
        distances(error_km),
        distance_intervals(error_km, places),
        percent(outcome.right_country.ravel()),
        tuple(round(float(median), 1) for median in np.median(outcome.error_km, axis=1)),
        against.name if against else None,
        gain,
        interval,
    )
