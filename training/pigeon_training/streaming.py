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
from pigeon_edge.photo_manifest import PhotoRow
from pigeon_edge.preprocess import Pixels, PreprocessSpec
from pigeon_training.photographs import read_pixels

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
    """

    pixels: Pixels
    rows: tuple[PhotoRow, ...]
    sample: npt.NDArray[np.int64]
    unreadable: tuple[Unreadable, ...]


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
    """Samples in an order that seed and epoch decide, ``batch`` at a time, ``ahead`` more batches in memory.

    ``part`` of ``parts`` takes every so many-th sample: processes of a parallel training have parts of one length.
    """

    samples: Sequence[Sample]
    spec: PreprocessSpec
    batch: int
    seed: int = 330
    part: int = 0
    parts: int = 1
    ahead: int = 2

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one pass. Raises InputError at its end where not one photograph could be read."""
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.samples))
        even = len(order) - len(order) % self.parts if self.parts > 1 else len(order)
        return self._decoded([self.samples[number] for number in order[self.part : even : self.parts]])

    def in_order(self) -> Iterator[Batch]:
        """Yield the batches of one pass in the samples' own order."""
        return self._decoded(self.samples)

    def _decoded(self, samples: Sequence[Sample]) -> Iterator[Batch]:
        chunks = (samples[start : start + self.batch] for start in range(0, len(samples), self.batch))
        read = 0
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            waiting = deque(self._begin(pool, chunk) for chunk in islice(chunks, self.ahead + 1))
            while waiting:
                batch = _finish(*waiting.popleft(), self.spec)
                waiting.extend(self._begin(pool, chunk) for chunk in islice(chunks, 1))
                read += len(batch.rows)
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)
        if samples and not read:
            raise InputError(f"none of {len(samples)} samples could be read, such as {samples[0][0].path}")

    def _begin(
        self, pool: ThreadPoolExecutor, chunk: Sequence[Sample]
    ) -> tuple[Sequence[Sample], list[Future[Pixels]]]:
        return chunk, [pool.submit(read_pixels, row.path, self.spec) for sample in chunk for row in sample]


def _finish(chunk: Sequence[Sample], futures: Sequence[Future[Pixels]], spec: PreprocessSpec) -> Batch:
    rows, pixels, sample, unreadable = [], [], [], []
    pairs = [(number, row) for number, rows_of_sample in enumerate(chunk) for row in rows_of_sample]
    for (number, row), future in zip(pairs, futures, strict=True):
        try:
            pixels.append(future.result())
        except InputError as error:
            unreadable.append(Unreadable(row, str(error)))
        else:
            rows.append(row)
            sample.append(number)
    _, numbered = np.unique(np.array(sample, np.int64), return_inverse=True)
    stacked = np.stack(pixels) if pixels else np.empty((0, spec.size_px, spec.size_px, 3), np.uint8)
    return Batch(stacked, tuple(rows), numbered.astype(np.int64), tuple(unreadable))
