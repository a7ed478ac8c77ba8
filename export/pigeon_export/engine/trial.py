"""How fast engines are, and how near to the golden outputs: what the verdict is made of."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pigeon_edge.encoders.protocol import Encoder
from pigeon_edge.encoders.tensorrt.cache import EnginePrecision, Latency, Trial
from pigeon_edge.images.preprocess import Pixels

WARM_UP, ROUNDS = 3, 30
"""Calls before any is timed, and calls that are."""


def try_engines(
    encoders: Mapping[EnginePrecision, Encoder],
    probes: Pixels,
    cosine: Callable[[Encoder], float],
    batches: Sequence[int],
    clock: Callable[[], float],
) -> dict[EnginePrecision, Trial]:
    """Return how each engine does. They take turns, so that heat and clock rates are the same for all.

    ``probes`` are (P, S, S, 3) uint8; ``cosine`` holds an engine against the golden outputs. A call is timed from
    pixels in the processor's memory to outputs there: what a user waits for.
    """
    cosines = {precision: cosine(encoder) for precision, encoder in encoders.items()}
    latencies: dict[EnginePrecision, dict[int, Latency]] = {precision: {} for precision in encoders}
    for batch in batches:
        for precision, latency in _timed(encoders, probes, batch, clock).items():
            latencies[precision][batch] = latency
    return {precision: Trial(latencies[precision], cosines[precision]) for precision in encoders}


def _timed(
    encoders: Mapping[EnginePrecision, Encoder], probes: Pixels, batch: int, clock: Callable[[], float]
) -> dict[EnginePrecision, Latency]:
    pixels = np.resize(probes, (batch, *probes.shape[1:]))  # repeats them
    samples_ms: dict[EnginePrecision, list[float]] = {precision: [] for precision in encoders}
    for number in range(WARM_UP + ROUNDS):
        for precision, encoder in encoders.items():
            start = clock()
            encoder.encode(pixels)
            if number >= WARM_UP:
                samples_ms[precision].append((clock() - start) * 1000)
    return {precision: _latency(samples) for precision, samples in samples_ms.items()}


def _latency(samples_ms: list[float]) -> Latency:
    low, middle, high = statistics.quantiles(samples_ms, n=4)
    return Latency(middle, high - low)
