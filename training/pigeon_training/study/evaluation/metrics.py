"""The field's metrics of geolocation, and their bootstrap intervals. Pure.

A statistic takes how often each photograph counts, (B, N) for B resamples, and returns (B,) or (B, K) numbers: with
every count at one it is the metric itself, with the counts of resamples its bootstrap distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Doubles: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Statistic: TypeAlias = Callable[[Doubles], Doubles]

THRESHOLDS_KM = (1.0, 25.0, 200.0, 750.0, 2500.0)
"""Street, city, region, country, continent (Hays and Efros 2008; Vo et al. 2017)."""

FULL_SCORE = 5000.0
SCORE_SCALE_KM = 1492.7
"""GeoGuessr's constants on its world map, as Haas et al. 2024 state them."""

RESAMPLES = 1000
SEED = 330
_BLOCK = 4_000_000
"""Counts held at once: 32 MB."""


class Interval(NamedTuple):
    """A 95 % interval: the 2.5th and the 97.5th percentile of the bootstrap distribution (Efron 1979)."""

    low: float
    high: float


@dataclass(frozen=True)
class Distances:
    """The metrics of N errors: km (less is better), GeoGuessr points (more is better), percent within each (<=) km."""

    median_km: float
    mean_km: float
    score: float
    percent_within_km: dict[str, float]


@dataclass(frozen=True)
class DistanceIntervals:
    """A 95 % interval for each of ``Distances``."""

    median_km: Interval
    mean_km: Interval
    score: Interval
    percent_within_km: dict[str, Interval]


def geoguessr_score(error_km: npt.ArrayLike) -> Doubles:
    """Return points (...,) from 0 to 5000, not rounded: 5000 exp(-d / 1492.7 km)."""
    return np.asarray(FULL_SCORE * np.exp(-np.asarray(error_km, np.float64) / SCORE_SCALE_KM))


def percent_within(error_km: npt.ArrayLike, limits_km: Sequence[float] = THRESHOLDS_KM) -> Doubles:
    """Return (K,) the percentage of errors (N,) up to and including each limit."""
    return np.asarray(_within(np.asarray(error_km, np.float64), limits_km).mean(axis=0))


def distances(error_km: Doubles) -> Distances:
    """Return the metrics of errors (N,), N >= 1."""
    shares = percent_within(error_km)
    within = {f"{limit:g}": round(share, 2) for limit, share in zip(THRESHOLDS_KM, shares.tolist(), strict=True)}
    median_km, mean_km, score = np.median(error_km), np.mean(error_km), np.mean(geoguessr_score(error_km))
    return Distances(round(float(median_km), 2), round(float(mean_km), 2), round(float(score), 1), within)


def distance_intervals(error_km: Doubles, place: Ints, resamples: int = RESAMPLES) -> DistanceIntervals:
    """Return the intervals of the metrics of errors (N,); ``place`` (N,) numbers the photographs' places."""
    values = np.column_stack([error_km, geoguessr_score(error_km), _within(error_km, THRESHOLDS_KM)])
    mean, median = mean_of(values), median_of(error_km)
    together = bootstrap(lambda counts: np.column_stack([median(counts), mean(counts)]), place, resamples)
    median_km, mean_km, score, *within = together
    named = {f"{limit:g}": interval for limit, interval in zip(THRESHOLDS_KM, within, strict=True)}
    return DistanceIntervals(median_km, mean_km, score, named)


def percent(right: npt.NDArray[np.bool_]) -> float:
    """Return how many percent of answers (N,) are right."""
    return round(float(np.mean(right) * 100), 2)


def percent_interval(right: npt.NDArray[np.bool_], place: Ints, resamples: int = RESAMPLES) -> Interval:
    """Return the interval of ``percent``."""
    (interval,) = bootstrap(mean_of(right * 100.0), place, resamples)
    return interval


def rank_of_cell(cell_logits: npt.NDArray[np.floating], true_cell: Ints) -> Ints:
    """Return (N,) how many cells of (N, C) logits are before the true one (N,): 0 where it is the best.

    A cell of the same logit is before it, so that a model that says nothing is right about nothing.
    """
    own = np.take_along_axis(cell_logits, true_cell[:, None], axis=1)  # (N, 1)
    return np.asarray((cell_logits >= own).sum(axis=1) - 1, np.int64)


def top_k_cells(cell_logits: npt.NDArray[np.floating], true_cell: Ints, k: int) -> float:
    """Return how many percent of photographs have the true cell (N,) among the best ``k`` of (N, C) logits."""
    return percent(rank_of_cell(cell_logits, true_cell) < k)


def entropy_nats(posterior: Doubles) -> Doubles:
    """Return (N,) the entropy of posteriors (N, C) in nats: 0 where one cell has it all, log C where all are even."""
    return np.asarray(-(posterior * np.log(np.maximum(posterior, np.finfo(np.float64).tiny))).sum(axis=1))


def bootstrap(statistic: Statistic, place: Ints, resamples: int = RESAMPLES, seed: int = SEED) -> list[Interval]:
    """Return an interval for each of the K numbers of a statistic.

    Places are drawn with replacement, each with all its photographs: views of one place are not independent.
    """
    drawn = np.concatenate([statistic(counts) for counts in _resampled(place, resamples, seed)])  # (B,) or (B, K)
    low, high = np.percentile(drawn.reshape(len(drawn), -1), [2.5, 97.5], axis=0)  # (K,)
    return [Interval(round(a, 2), round(b, 2)) for a, b in zip(low.tolist(), high.tolist(), strict=True)]


def mean_of(values: npt.NDArray[np.floating]) -> Statistic:
    """Return the statistic that is the mean of values (N,) or (N, K) over photographs."""

    def mean(counts: Doubles) -> Doubles:
        total = counts.sum(axis=1)
        return np.asarray(((counts @ values).T / total).T)

    return mean


def median_of(values: Doubles) -> Statistic:
    """Return the statistic that is the median of values (N,), of an even number the mean of the middle two."""
    order = np.argsort(values, kind="stable")
    ascending = values[order]

    def median(counts: Doubles) -> Doubles:
        upto = np.cumsum(counts[:, order], axis=1)  # (B, N)
        total = upto[:, -1:]
        lower = (upto <= (total - 1) // 2).sum(axis=1)
        upper = (upto <= total // 2).sum(axis=1)
        return np.asarray((ascending[lower] + ascending[upper]) / 2)

    return median


def _resampled(place: Ints, resamples: int, seed: int) -> Iterator[Doubles]:
    """Yield (b, N) how often each photograph counts, resample by resample, in blocks of bounded memory."""
    _, number = np.unique(place, return_inverse=True)
    places = int(number.max()) + 1
    rng = np.random.default_rng(seed)
    block = max(_BLOCK // len(place), 1)
    for start in range(0, resamples, block):
        times = rng.multinomial(places, np.full(places, 1 / places), size=min(block, resamples - start))  # (b, P)
        yield times[:, number].astype(np.float64)


def _within(error_km: Doubles, limits_km: Sequence[float]) -> Doubles:
    """Return (N, K) 100 where an error is within a limit, else 0."""
    return np.asarray((error_km[:, None] <= np.asarray(limits_km)) * 100.0)
