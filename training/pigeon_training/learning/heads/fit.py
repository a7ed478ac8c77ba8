"""Linear heads trained on embeddings that are there already; the tower stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_training.data.tasks import TASK_SIZES, RegressionScale, TaskTargets, fit_scale
from pigeon_training.learning.heads.batches import HeadBatch, HeadBatches, OnDevice
from pigeon_training.learning.heads.examples import HeadExamples, Ids
from pigeon_training.learning.heads.standard import fit_standard
from pigeon_training.learning.losses import (
    haversine_targets,
    known_counts,
    soft_cross_entropy,
    sphere_tensor,
    task_losses,
    weighted_sum,
)
from pigeon_training.learning.stopping import BestEpoch
from pigeon_training.model.geocell_model import Heads
from pigeon_training.presets import HeadsPreset
from pigeon_training.smoothing import Smoothing

BLOCK_ENTRIES = 2**22
"""Samples times cells in memory at a time: at most 32 MiB of distances, and 16 MiB of logits or of targets."""

AfterEpoch = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True, eq=False)
class FittedHeads:
    """Heads on the CPU, ready to evaluate, and the scale of their regressions, None where they have none."""

    heads: Heads
    scale: RegressionScale | None


def fit_heads(
    training: HeadExamples,
    validation: HeadExamples,
    centroid_lat_lng: npt.NDArray[np.float64],
    preset: HeadsPreset,
    after_epoch: AfterEpoch,
) -> FittedHeads:
    """Return the heads of the epoch with the least median validation error, in km to the likeliest cell's centroid.

    ``centroid_lat_lng`` is (C, 2). A task that no training sample knows gets no head. ``after_epoch`` hears of each
    epoch's losses, the validation error and the share of validation samples in their likeliest cell. Training takes
    place on standardised embeddings (``standard.py``); the heads that come back take them as they are. On a processor,
    the same seed gives the same weights. Raises UsageError where there is nothing to train or to validate on.
    """
    if not len(training) or not len(validation):
        raise UsageError(f"expected samples to train and to validate on, found {len(training)} and {len(validation)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tasks = known_tasks(training.tasks, preset.tasks)
    scale = fit_scale(training.tasks.regression, preset.elevation_offset_m) if "regression" in tasks else None
    torch.manual_seed(preset.seed)
    sizes = {"cells": len(centroid_lat_lng), **{name: TASK_SIZES[name] for name in tasks}}
    heads = Heads(training.embedding.shape[1], sizes).to(device)
    optimizer, standard = new_optimizer(heads, preset), fit_standard(training.embedding, device)
    batches, held_out = HeadBatches(training, tasks, scale, standard), OnDevice(validation.embedding, standard)
    centroids, best = sphere_tensor(centroid_lat_lng).to(device), BestEpoch(preset.patience)
    for epoch in range(preset.epochs):
        shuffled = batches.shuffled(preset.batch, preset.seed, epoch)
        losses = train_epoch(heads, optimizer, shuffled, centroids, preset.smoothing)
        cells = likeliest_cells(heads, held_out)
        median_km = float(np.median(haversine_km(centroid_lat_lng[cells], validation.lat_lng)))
        best.offer(heads, median_km)
        right = float((cells == validation.cell).mean())
        after_epoch({"epoch": epoch + 1, **losses, "validation_km": median_km, "validation_in_cell": right})
        if best.exhausted:
            break
    best.restore(heads)
    standard.fold(heads)
    return FittedHeads(heads.cpu().eval(), scale)


def known_tasks(targets: TaskTargets, tasks: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of ``tasks`` of which at least one sample has a target."""
    counts = known_counts({name: torch.from_numpy(getattr(targets, name)) for name in tasks})
    return tuple(name for name in tasks if counts[name])


def new_optimizer(heads: Heads, preset: HeadsPreset) -> torch.optim.AdamW:
    """Return the optimiser of heads; fused, a step reads and writes each weight once."""
    return torch.optim.AdamW(heads.parameters(), preset.learning_rate, weight_decay=preset.weight_decay, fused=True)


def train_epoch(
    heads: Heads,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[HeadBatch],
    centroids: torch.Tensor,
    smoothing: Smoothing,
) -> dict[str, float]:
    """Train on batches; return ``loss``, and the loss of each head, as means over batches."""
    losses = []
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        losses.append(add_gradients(heads, batch, centroids, smoothing))
        optimizer.step()
    return {name: float(torch.stack([batch[name] for batch in losses]).mean()) for name in losses[0]}


def add_gradients(
    heads: Heads, batch: HeadBatch, centroids: torch.Tensor, smoothing: Smoothing
) -> dict[str, torch.Tensor]:
    """Add the gradients of a batch's weighted losses; return ``loss``, their sum, and ``HEAD_loss`` of each head.

    The batch is taken in parts of at most ``BLOCK_ENTRIES`` samples times cells. A part's mean counts by its share of
    the batch's known targets, so that the gradients are those of the whole batch.
    """
    counts = batch.counts
    totals: dict[str, torch.Tensor] = {}
    for part in batch.split(max(BLOCK_ENTRIES // len(centroids), 1)):
        outputs = heads(part.embedding)
        targets = haversine_targets(part.vectors, part.cell, centroids, smoothing)
        means = {"cells": soft_cross_entropy(outputs["cells"], targets), **task_losses(outputs, part.tasks)}
        known = part.counts
        shares = {name: mean * (known[name] / counts[name].clamp(min=1)) for name, mean in means.items()}
        loss = shares["cells"] + weighted_sum({name: shares[name] for name in part.tasks})
        loss.backward()
        told = {"loss": loss, **{f"{name}_loss": share for name, share in shares.items()}}
        totals = {name: totals.get(name, 0.0) + value.detach() for name, value in told.items()}
    return totals


def likeliest_cells(heads: Heads, embedding: OnDevice) -> Ids:
    """Return the cell (S,) of the highest logit of each sample."""
    size = max(BLOCK_ENTRIES // len(heads.get_parameter("cells.bias")), 1)
    starts = range(0, len(embedding), size)
    with torch.inference_mode():
        parts = (embedding.of(np.arange(start, min(start + size, len(embedding)))) for start in starts)
        cells = [heads["cells"](part).argmax(dim=1).cpu() for part in parts]
    return np.asarray(torch.cat(cells).numpy(), np.int64)
