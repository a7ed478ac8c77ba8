"""What heads are trained on: samples with an embedding each, of a photograph or the mean of a panorama's views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pigeon_training.data.tasks import TaskTargets

Floats: TypeAlias = npt.NDArray[np.float32]
Ids: TypeAlias = npt.NDArray[np.int64]

HELD_BYTES = 2**32
"""Embeddings up to here are copied into memory; more of them stay in their file, and each batch reads its own."""

_ROWS_AT_A_TIME = 2**14


class SampleEmbeddings:
    """Embeddings of S samples, each the mean of its views': rows of a memory map, read when they are asked for.

    ``embedding`` is (N, D) float32; the views of sample s are ``rows[starts[s] : starts[s + 1]]``, at least one.
    """

    def __init__(self, embedding: Floats, views: Sequence[Sequence[int]]) -> None:
        self._embedding = embedding
        self._rows = np.fromiter(chain.from_iterable(views), np.int64)
        self._starts = np.cumsum([0, *map(len, views)])  # (S + 1,)
        self.shape = (len(views), embedding.shape[1])

    def __len__(self) -> int:
        """Return how many samples there are."""
        return self.shape[0]

    def __getitem__(self, samples: Ids) -> Floats:
        """Return (n, D) float32 of samples (n,), summed in float32 in the order of their views."""
        counts = self._starts[samples + 1] - self._starts[samples]  # (n,)
        ends = np.cumsum(counts)
        steps = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
        views: Floats = self._embedding[self._rows[np.repeat(self._starts[samples], counts) + steps]]  # (views, D)
        if len(views) == len(samples):
            return views
        return np.asarray(np.add.reduceat(views, ends - counts) / counts[:, None].astype(np.float32), np.float32)


@dataclass(frozen=True, eq=False)
class HeadExamples:
    """Of S samples: embedding (S, D) float32, lat_lng (S, 2) degrees, cell (S,), and the targets of the tasks."""

    embedding: Floats | SampleEmbeddings
    lat_lng: npt.NDArray[np.float64]
    cell: Ids
    tasks: TaskTargets

    def __len__(self) -> int:
        """Return how many samples there are."""
        return len(self.cell)


def in_memory(embedding: SampleEmbeddings) -> Floats | SampleEmbeddings:
    """Return all embeddings as one array where they are at most ``HELD_BYTES``, else as they are."""
    if 4 * embedding.shape[0] * embedding.shape[1] > HELD_BYTES:
        return embedding
    held = np.empty(embedding.shape, np.float32)
    for start in range(0, len(embedding), _ROWS_AT_A_TIME):
        samples = np.arange(start, min(start + _ROWS_AT_A_TIME, len(embedding)))
        held[samples] = embedding[samples]
    return held
