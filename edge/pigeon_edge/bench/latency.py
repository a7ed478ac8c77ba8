"""PURE. Latencies of a run of any length in the same little memory: a histogram whose bins are 1 % wide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FINEST_MS, WIDTH = 1e-3, 1.01
_BINS = 2100
"""From a microsecond to 20 minutes; a list of every latency would show up in the memory that is measured beside it."""


class Latencies:
    """Counts of latencies in milliseconds; percentiles are right to half a percent, mean and longest exactly."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self.count = 0
        self.total_ms = 0.0
        self.longest_ms = 0.0

    def add(self, latency_ms: float) -> None:
        """Count one latency."""
        bin_number = int(math.log(max(latency_ms, FINEST_MS) / FINEST_MS) / math.log(WIDTH))
        self._counts[min(bin_number, _BINS - 1)] += 1
        self.count += 1
        self.total_ms += latency_ms
        self.longest_ms = max(self.longest_ms, latency_ms)

    def percentile_ms(self, percent: float) -> float:
        """Return the latency that ``percent`` of all do not exceed (nearest rank). Raises ValueError where none is."""
        if not self.count:
            raise ValueError("a percentile of no latencies")
        rank = max(math.ceil(self.count * percent / 100), 1)
        bin_number = int(np.searchsorted(np.cumsum(self._counts), rank))
        return min(FINEST_MS * math.pow(WIDTH, bin_number + 0.5), self.longest_ms)

    def joined(self, other: Latencies) -> Latencies:
        """Return the latencies of both."""
        both = Latencies()
        both._counts = self._counts + other._counts
        both.count = self.count + other.count
        both.total_ms = self.total_ms + other.total_ms
        both.longest_ms = max(self.longest_ms, other.longest_ms)
        return both


@dataclass(frozen=True)
class Drift:
    """Median latency of the first and of the last tenth of a run, ``change`` the share by which the last is longer."""

    first_ms: float
    last_ms: float

    @property
    def change(self) -> float:
        """0.1 where the last tenth was 10 % slower."""
        return self.last_ms / self.first_ms - 1


def drift(tenths: Sequence[Latencies]) -> Drift | None:
    """Return how the median moved over the tenths of a run; None where fewer than two of them have latencies."""
    filled = [tenth for tenth in tenths if tenth.count]
    if len(filled) < 2:
        return None
    return Drift(filled[0].percentile_ms(50), filled[-1].percentile_ms(50))
