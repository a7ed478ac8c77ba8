"""Batches of samples as tensors on a device: embeddings and all that their losses need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from pigeon_training.data.tasks import RegressionScale
from pigeon_training.learning.heads.examples import Floats, HeadExamples, Ids, SampleEmbeddings
from pigeon_training.learning.heads.standard import Standard
from pigeon_training.learning.losses import known_counts, sphere_tensor


@dataclass(frozen=True, eq=False)
class HeadBatch:
    """N samples: standardised embedding (N, D) float32, vectors (N, 3) float64 on the unit sphere, cell (N,).

    ``tasks`` holds the targets of the tasks that are trained, as ``losses.task_losses`` takes them.
    """

    embedding: torch.Tensor
    vectors: torch.Tensor
    cell: torch.Tensor
    tasks: Mapping[str, torch.Tensor]

    def split(self, size: int) -> Iterator[HeadBatch]:
        """Yield the samples at most ``size`` at a time."""
        for start in range(0, len(self.cell), size):
            part = slice(start, start + size)
            tasks = {name: target[part] for name, target in self.tasks.items()}
            yield HeadBatch(self.embedding[part], self.vectors[part], self.cell[part], tasks)

    @property
    def counts(self) -> dict[str, torch.Tensor]:
        """Over how many targets the loss of each head is a mean."""
        return {"cells": torch.tensor(len(self.cell)), **known_counts(self.tasks)}


class HeadBatches:
    """The samples of a training, with everything but embeddings that stay in their file on the standard's device.

    ``tasks`` are those that are trained; ``scale`` is given where the regression is among them.
    """

    def __init__(
        self, examples: HeadExamples, tasks: tuple[str, ...], scale: RegressionScale | None, standard: Standard
    ) -> None:
        device = standard.mean.device
        self._embedding = OnDevice(examples.embedding, standard)
        self._vectors = sphere_tensor(examples.lat_lng).to(device)
        self._cell = torch.from_numpy(examples.cell).to(device)
        targets = {name: getattr(examples.tasks, name) for name in tasks}
        if scale is not None:
            targets["regression"] = scale.standard(targets["regression"]).astype(np.float32)
        self._tasks = {name: torch.from_numpy(target).to(device) for name, target in targets.items()}

    def shuffled(self, size: int, seed: int, epoch: int) -> Iterator[HeadBatch]:
        """Yield every sample once, ``size`` at a time, in an order that seed and epoch decide."""
        order = np.random.default_rng((seed, epoch)).permutation(len(self._cell))
        for start in range(0, len(order), size):
            yield self.of(order[start : start + size])

    def of(self, samples: Ids) -> HeadBatch:
        """Return some samples."""
        rows = torch.from_numpy(samples).to(self._cell.device)
        tasks = {name: target.index_select(0, rows) for name, target in self._tasks.items()}
        return HeadBatch(self._embedding.of(samples), self._vectors[rows], self._cell[rows], tasks)


class OnDevice:
    """Embeddings by sample, standardised: one array moves to the device as a whole, others follow batch by batch."""

    def __init__(self, embedding: Floats | SampleEmbeddings, standard: Standard) -> None:
        self._embedding, self._standard, self._device = embedding, standard, standard.mean.device
        self._held: torch.Tensor | None = None
        if isinstance(embedding, np.ndarray):
            self._held = torch.from_numpy(np.require(embedding, np.float32, ("C", "W"))).to(self._device)

    def __len__(self) -> int:
        """Return how many samples there are."""
        return len(self._embedding)

    def of(self, samples: Ids) -> torch.Tensor:
        """Return the embeddings (N, D) of samples (N,)."""
        if self._held is not None:
            return self._standard.of(self._held.index_select(0, torch.from_numpy(samples).to(self._device)))
        return self._standard.of(torch.from_numpy(self._embedding[samples]).to(self._device))
