"""Timing several ways of doing one thing so that a busy machine disturbs their ratios least."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ROUND_S = 0.03
"""A way that is quicker is called several times a round, so that the clock and the scheduler weigh little."""


@dataclass(frozen=True)
class Timing:
    """The median seconds of a call, and how many times quicker it is than the reference (median over rounds)."""

    seconds: float
    ratio: float


def compare(ways: Mapping[str, Callable[[], object]], reference: str, rounds: int) -> dict[str, Timing]:
    """Return the timing of each way beside the one named ``reference``.

    Every round calls every way once in turn; a ratio is taken within a round, where both saw the same machine.
    """
    calls = {name: _calls_a_round(way) for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(_seconds(way, calls[name]))
    return {name: _timing(own, seconds[reference]) for name, own in seconds.items()}


def _calls_a_round(way: Callable[[], object]) -> int:
    way()  # the first call allocates and compiles
    return max(1, round(ROUND_S / max(_seconds(way, 1), 1e-6)))


def _seconds(way: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        way()
    return (time.perf_counter() - start) / calls


def _timing(own: list[float], reference: list[float]) -> Timing:
    ratios = [theirs / ours for ours, theirs in zip(own, reference, strict=True)]
    return Timing(statistics.median(own), statistics.median(ratios))
