"""Photographs of a manifest as a stream of batches: shuffled by seed, decoded ahead in threads, in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.manifest import PhotoRow
from pigeon_training.data.photographs import read_pixels

Ids: TypeAlias = npt.NDArray[np.int64]

Sample: TypeAlias = tuple[PhotoRow, ...]
"""The photographs of one training sample: one, or the views of a panorama."""


@dataclass(frozen=True)
class Unreadable:
    """A photograph that could not be decoded, and why."""

    row: PhotoRow
    reason: str


@dataclass(frozen=True, eq=False)
class Batch:
    """Photographs ``pixels`` (N, S, S, 3) uint8 with their ``rows`` (N,); ``sample`` (N,) numbers the samples from 0.

    A sample loses its unreadable views, and is left out where it has none left; ``unreadable`` says which.
    ``numbers`` (S,) are those of the samples in the stream, ``step`` that of the batch which they are a part of.
    """

    pixels: Pixels
    rows: tuple[PhotoRow, ...]
    sample: Ids
    unreadable: tuple[Unreadable, ...]
    numbers: Ids
    step: int


def singles(rows: Sequence[PhotoRow]) -> list[Sample]:
    """Return every photograph as a sample of its own."""
    return [(row,) for row in rows]


def panoramas(rows: Sequence[PhotoRow]) -> list[Sample]:
    """Return one sample a place: its photographs by heading. One without a heading is a sample of its own."""
    views: dict[str, list[PhotoRow]] = {}
    alone: list[Sample] = []
    for row in rows:
        if row.heading_deg is None:
            alone.append((row,))
        else:
            views.setdefault(row.place_id, []).append(row)
    return [tuple(sorted(place, key=lambda row: row.heading_deg or 0.0)) for place in views.values()] + alone


@dataclass(frozen=True)
class PhotoStream:
    """Samples in an order that seed and epoch decide, ``batch`` at a time, decoded ahead of their use.

    ``part`` of ``parts`` takes every so many-th sample of each batch: the processes of a parallel training have,
    together, the batches of one alone. A part of a batch comes in chunks of at most ``chunk`` samples, of which
    ``ahead`` more are in memory; a part that has no sample of a batch comes empty, so that all have the same steps.
    """

    samples: Sequence[Sample]
    spec: PreprocessSpec
    batch: int
    seed: int = 330
    part: int = 0
    parts: int = 1
    ahead: int = 2
    chunk: int | None = None

    def whole_batches(self, epoch: int) -> list[Ids]:
        """Return the numbers of the samples of each batch of an epoch, those of all parts."""
        return self._cut(np.random.default_rng((self.seed, epoch)).permutation(len(self.samples)))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the chunks of one pass. Raises InputError at its end where not one photograph could be read."""
        return self._decoded(self.whole_batches(epoch))

    def in_order(self) -> Iterator[Batch]:
        """Yield the chunks of one pass in the samples' own order."""
        return self._decoded(self._cut(np.arange(len(self.samples))))

    def _cut(self, order: Ids) -> list[Ids]:
        return [order[start : start + self.batch] for start in range(0, len(order), self.batch)]

    def _decoded(self, batches: Sequence[Ids]) -> Iterator[Batch]:
        chunks = self._chunks(batches)
        asked = read = 0
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            waiting = deque(self._begin(pool, *chunk) for chunk in islice(chunks, self.ahead + 1))
            while waiting:
                begun = waiting.popleft()
                batch = _finish(begun, self.spec)
                waiting.extend(self._begin(pool, *chunk) for chunk in islice(chunks, 1))
                asked, read = asked + len(begun.numbers), read + len(batch.numbers)
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)
        if asked and not read:
            raise InputError(f"none of {asked} samples could be read, such as {batch.unreadable[0].row.path}")

    def _chunks(self, batches: Sequence[Ids]) -> Iterator[tuple[int, Ids]]:
        """Yield this part of every batch, numbered, in chunks; at least one a batch."""
        for step, batch in enumerate(batches):
            own = batch[self.part :: self.parts]
            size = self.chunk or self.batch
            for start in range(0, max(len(own), 1), size):
                yield step, own[start : start + size]

    def _begin(self, pool: ThreadPoolExecutor, step: int, numbers: Ids) -> _Begun:
        views = [(place, row) for place, number in enumerate(numbers) for row in self.samples[number]]
        return _Begun(step, numbers, views, [pool.submit(read_pixels, row.path, self.spec) for _, row in views])


@dataclass(frozen=True, eq=False)
class _Begun:
    """A chunk that is being decoded: each view's row and the place of its sample among ``numbers``."""

    step: int
    numbers: Ids
    views: Sequence[tuple[int, PhotoRow]]
    futures: Sequence[Future[Pixels]]


def _finish(begun: _Begun, spec: PreprocessSpec) -> Batch:
    rows, pixels, places, unreadable = [], [], [], []
    for (place, row), future in zip(begun.views, begun.futures, strict=True):
        try:
            pixels.append(future.result())
        except InputError as error:
            unreadable.append(Unreadable(row, str(error)))
        else:
            rows.append(row)
            places.append(place)
    kept, sample = np.unique(np.array(places, np.int64), return_inverse=True)
    stacked = np.stack(pixels) if pixels else np.empty((0, spec.size_px, spec.size_px, 3), np.uint8)
    numbers = begun.numbers[kept]
    return Batch(stacked, tuple(rows), sample.astype(np.int64), tuple(unreadable), numbers, begun.step)
