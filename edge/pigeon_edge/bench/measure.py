"""Locating photographs again and again with a clock in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np

from pigeon_edge.bench.photographs import Photographs
from pigeon_edge.bench.record import Record
from pigeon_edge.encoders.tensorrt.key import BATCHES
from pigeon_edge.images.photograph import decode_pixels
from pigeon_edge.images.preprocess import Pixels
from pigeon_edge.locator import Locator

Clock = Callable[[], float]

CYCLE = max(BATCHES)
"""Photographs that every batch size is given in turn, so that all see the same machine at the same temperature."""


class Bench:
    """A locator, photographs and a monotonic clock in seconds."""

    def __init__(self, locator: Locator, photographs: Photographs, clock: Clock) -> None:
        self._locator = locator
        self._photographs = photographs
        self._clock = clock

    def run(self, record: Record) -> Iterator[None]:
        """Measure into ``record`` for its planned duration, yielding once for every second that has passed.

        A cycle that has begun is finished, so that every batch size is measured however short the duration is.
        """
        start = self._clock()
        seconds = 0
        for number in count():
            for elapsed_s in self._cycle(number, start, record):
                while seconds < min(int(elapsed_s), int(record.planned_s)):
                    seconds += 1
                    yield
            if self._clock() - start >= record.planned_s:
                return

    def _cycle(self, number: int, start: float, record: Record) -> Iterator[float]:
        """Locate the next ``CYCLE`` photographs in batches of every size; yield the time since ``start`` after each."""
        rows = np.arange(number * CYCLE, (number + 1) * CYCLE) % len(self._photographs.contents)
        for row in rows:
            record.add_pass(self._stages_s(int(row)), self._clock() - start)
            yield record.measured_s
        for size in BATCHES[1:]:
            for batch in rows.reshape(-1, size):
                record.add_batch(size, self._batch_s(self._photographs.pixels[batch]), self._clock() - start)
                yield record.measured_s

    def _stages_s(self, row: int) -> list[float]:
        """Return the seconds that one photograph takes in each of ``STAGES``."""
        given = self._photographs
        times = [self._clock()]
        pixels = decode_pixels(given.contents[row], given.paths[row], self._locator.preprocess, given.max_pixels)
        times.append(self._clock())
        encoding = self._locator.encoder.encode(pixels[None])
        times.append(self._clock())
        found = self._locator.find(encoding)
        times.append(self._clock())
        self._locator.tell(encoding, found)
        times.append(self._clock())
        return list(np.diff(times))

    def _batch_s(self, pixels: Pixels) -> float:
        start = self._clock()
        self._locator.locate(pixels)
        return self._clock() - start
