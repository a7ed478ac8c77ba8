"""PURE: from what was observed of a tensor to the scale of its int8 values.

Four ways to set the largest magnitude that int8 holds; what lies beyond it is clipped, what lies within is coarser the
larger it is. Which way is best differs from tensor to tensor, so that each is chosen by the error of the output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_calibration.int8.activations import BIN_EDGES, Observation
from pigeon_calibration.int8.linear_error import LinearError, through_int8, weight_through_int8
from pigeon_calibration.int8.quantize import INT8_LIMIT

SMALLEST_SCALE = 2.0**-24
"""The least positive half-precision number: a scale stays positive when the graph is cast to FP16."""

PERCENTILE = 0.9999

CLIPPING_GAINS = 0.7
"""A range that clips is taken where it lowers the squared error at least to this share of that of the maximum."""

HEADROOM, MOST_HEADROOM = 1.6, 0.4
"""Other photographs exceed the observed maximum, the less the more were observed: a tenth for 256, two for 64."""

_CLIPPED_TO = np.geomspace(1.0, 0.05, 60)
_LINEAR_BINS, _LEVELS = 2048, 128

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Range:
    """The scale of a tensor, the method that set it, and the relative squared error of what the linears make of it."""

    scale: float
    method: str
    output_error: float


def best_range(observation: Observation, weights: list[npt.NDArray[np.float32]]) -> Range:
    """Return the range under which the linears of ``weights`` (K, O) err least on the observed rows.

    Clipping has to gain something: what it does to loud tokens it does to all of them, and rounding averages out.
    """
    linears = [(LinearError(observation.rows, weight), weight_through_int8(weight)) for weight in weights]

    def range_of(method: str, limit: float) -> Range:
        scale = scale_of_maximum(with_headroom(limit, observation.photographs))
        rows = through_int8(observation.rows, scale)
        return Range(scale, method, float(np.mean([error.of(rows @ weight) for error, weight in linears])))

    plain, *clipped = [range_of(method, limit) for method, limit in limits(observation).items()]
    best = min(clipped, key=lambda candidate: candidate.output_error)
    return best if best.output_error <= CLIPPING_GAINS * plain.output_error else plain


def limits(observation: Observation) -> dict[str, float]:
    """Return the largest magnitude to hold, by method, of those that were observed."""
    largest = float(observation.channel_maxima.max())
    clipped = {
        "percentile": _percentile(observation.counts),
        "entropy": _entropy(observation.counts, largest),
        "mean squared error": _mean_squared_error(observation.counts, largest),
    }
    return {
        "max": largest,
        **{method: min(limit, largest) for method, limit in clipped.items()},
    }


def scale_of_maximum(largest: float) -> float:
    """Return the scale that maps a magnitude to 127."""
    return max(largest / INT8_LIMIT, SMALLEST_SCALE)


def with_headroom(largest: float, photographs: int) -> float:
    """Return a limit that holds what other photographs are likely to show, where so many showed ``largest``."""
    return largest * (1 + min(HEADROOM / float(np.sqrt(photographs)), MOST_HEADROOM))


def _percentile(counts: npt.NDArray[np.int64]) -> float:
    """Return the magnitude that all but one value in ten thousand stay under."""
    seen = counts.cumsum()
    return float(BIN_EDGES[min(int(np.searchsorted(seen, PERCENTILE * seen[-1])) + 1, len(BIN_EDGES) - 2)])


def _mean_squared_error(counts: npt.NDArray[np.int64], largest: float) -> float:
    """Return the limit under which int8 values lie nearest to the true ones, rounding errors being uniform."""
    used = np.flatnonzero(counts[: len(BIN_EDGES) - 1])
    magnitude = (BIN_EDGES[used].astype(np.float64) + BIN_EDGES[used + 1]) / 2
    magnitude = np.minimum(magnitude, largest)
    candidates = largest * _CLIPPED_TO
    errors = [float(counts[used] @ _squared_error(magnitude, limit)) for limit in candidates]
    return float(candidates[int(np.argmin(errors))])


def _squared_error(magnitude: Doubles, limit: float) -> Doubles:
    step = limit / INT8_LIMIT
    within = np.where(magnitude < step / 2, magnitude**2, step**2 / 12)
    return np.asarray(np.where(magnitude > limit, (magnitude - limit) ** 2, within))


def _entropy(counts: npt.NDArray[np.int64], largest: float) -> float:
    """Return the limit whose 128 levels lose least information (Migacz 2017, 8-bit inference with TensorRT)."""
    if largest <= 0:
        return largest
    edges = np.linspace(0, largest, _LINEAR_BINS + 1)
    below = np.concatenate([[0], counts[: len(BIN_EDGES) - 1].cumsum()])
    linear = np.diff(np.interp(edges, np.minimum(BIN_EDGES, np.finfo(np.float32).max), below))
    linear[0] = linear[1]  # zeros say nothing about the range
    sizes = range(_LEVELS, _LINEAR_BINS + 1, 16)
    return float(edges[min(sizes, key=lambda size: _lost_information(linear, size))])


def _lost_information(linear: Doubles, size: int) -> float:
    """Return the Kullback-Leibler divergence of the first ``size`` bins from themselves in 128 levels."""
    kept = linear[:size].copy()
    group = np.arange(size) * _LEVELS // size
    filled = kept > 0
    per_level = np.bincount(group, kept, _LEVELS) / np.maximum(np.bincount(group, filled, _LEVELS), 1)
    coarse = np.where(filled, per_level[group], 0)
    kept[-1] += linear[size:].sum()
    both = (kept > 0) & (coarse > 0)
    p, q = kept / max(kept.sum(), 1e-300), coarse / max(coarse.sum(), 1e-300)
    missed = p[(kept > 0) & ~both].sum()
    return float((p[both] * np.log(p[both] / q[both])).sum() + missed * 50)
