"""The training loop of all models with a tower: epochs of batches, validation, and the best epoch's weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from pigeon_edge.cli.console import progress
from pigeon_edge.errors import PigeonError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.data.streaming import Batch, Ids, PhotoStream, Unreadable
from pigeon_training.learning.fitting.checkpoint import Checkpoint
from pigeon_training.learning.fitting.examples import Examples, FittingData
from pigeon_training.learning.fitting.objective import Objective, forward, images_of
from pigeon_training.learning.fitting.parallel import Processes
from pigeon_training.learning.stopping import BestEpoch
from pigeon_training.model.geocell_model import GeocellModel, normalise
from pigeon_training.model.model_folder import FittedModel
from pigeon_training.presets import LoopPreset

MAX_BLOCK = 1 << 25
"""The most targets, samples times geocells, of a micro-batch: 256 MB in float64. Batches may be larger."""


@dataclass(frozen=True)
class EpochReport:
    """An epoch, from 1: the rate at its first step, its mean loss by summand, and the median validation error in km.

    The error is that of the centroid of the most probable cell.
    """

    epoch: int
    learning_rate: float
    losses: Mapping[str, float]
    validation_km: float
    best: bool
    unreadable: tuple[Unreadable, ...]

    @property
    def loss(self) -> float:
        """The sum of all summands."""
        return sum(self.losses.values())

    def numbers(self) -> dict[str, float]:
        """Return a line of the log."""
        parts = {f"loss_{name}": loss for name, loss in self.losses.items()}
        return {
            "epoch": self.epoch, "learning_rate": self.learning_rate, "loss": self.loss, **parts,
            "validation_median_km": self.validation_km, "unreadable": len(self.unreadable),
        }  # fmt: skip


AfterEpoch = Callable[[EpochReport, FittedModel], None]
"""Hears of each epoch, while the model has that epoch's weights."""

Schedule = torch.optim.lr_scheduler.LambdaLR


def train(
    fitted: FittedModel,
    data: FittingData,
    objective: Objective,
    preset: LoopPreset,
    processes: Processes,
    after_epoch: AfterEpoch,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train the weights that have gradients; leave the model with those of the epoch of the least validation error.

    A run that a checkpoint holds goes on after its last epoch, with the result of one that was never interrupted.
    Dropout stays off, as published CLIP has none. Raises PigeonError where the loss is no number any more, InputError
    where no photograph can be read.
    """
    model = fitted.model.to(processes.device).eval()
    stream = _stream(data, data.training, fitted.spec, preset, processes)
    schedule = _schedule(model, preset, preset.epochs * len(stream.whole_batches(0)))
    best = BestEpoch(preset.patience)
    done = checkpoint.read(model, schedule, best, objective.generator) if checkpoint else 0
    for epoch in range(done, 0 if best.exhausted else preset.epochs):
        rate = float(schedule.get_last_lr()[0])
        losses, lost = train_epoch(model, stream, epoch, objective, schedule, processes)
        error_km, lost_too = validate(fitted, data, preset, processes)
        median_km = float(np.median(error_km))
        improved = best.offer(model, median_km)
        after_epoch(EpochReport(epoch + 1, rate, losses, median_km, improved, (*lost, *lost_too)), fitted)
        if checkpoint:
            checkpoint.write(epoch + 1, model, schedule, best, objective.generator)
        if best.exhausted:
            break
    best.restore(model)


def train_epoch(
    model: GeocellModel,
    stream: PhotoStream,
    epoch: int,
    objective: Objective,
    schedule: Schedule,
    processes: Processes,
) -> tuple[dict[str, float], list[Unreadable]]:
    """Make a step of each batch; return the mean over batches of each summand of the loss, and what was unreadable."""
    optimizer, whole = schedule.optimizer, stream.whole_batches(epoch)
    weights = optimizer.param_groups[0]["params"]
    sums: dict[str, torch.Tensor] = {}
    lost: list[Unreadable] = []
    steps = groupby(stream.batches(epoch), key=lambda part: part.step)
    for step, parts in progress(steps, len(whole), "batches") if processes.leads else steps:
        _no_gradients(weights)
        for part in parts:
            lost += part.unreadable
            for name, loss in add_gradients(model, objective, part, whole[step]).items():
                sums[name] = sums.get(name, 0.0) + loss
        processes.add_gradients(weights)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
    return _means(sums, len(whole), processes), [one for some in processes.gather(lost) for one in some]


def add_gradients(model: GeocellModel, objective: Objective, part: Batch, whole: Ids) -> dict[str, torch.Tensor]:
    """Add the gradients of a part of a batch to the model's; return the summands of its loss."""
    if not len(part.numbers):
        return {}
    losses = objective(model, part, whole)
    torch.stack(list(losses.values())).sum().backward()
    return {name: loss.detach() for name, loss in losses.items()}


def validate(
    fitted: FittedModel, data: FittingData, preset: LoopPreset, processes: Processes
) -> tuple[npt.NDArray[np.float64], list[Unreadable]]:
    """Return (N,) distances from the truth to the centroid of the most probable cell, and what was unreadable."""
    examples = data.validation
    errors: list[npt.NDArray[np.float64]] = []
    lost: list[Unreadable] = []
    with torch.inference_mode():
        for part in _stream(data, examples, fitted.spec, preset, processes).in_order():
            lost += part.unreadable
            if len(part.numbers):
                cells = most_probable_cells(fitted, part, bfloat16=preset.bfloat16)
                errors.append(haversine_km(data.centroid_lat_lng[cells], examples.lat_lng[part.numbers]))
    everybodys = processes.gather((errors, lost))
    return (
        np.concatenate([one for some, _ in everybodys for one in some]),
        [one for _, some in everybodys for one in some],
    )


def most_probable_cells(fitted: FittedModel, part: Batch, *, bfloat16: bool) -> Ids:
    """Return (S,) the most probable cell of each sample."""
    images, sample = images_of(part, fitted.model.tower.device)
    _, outputs = forward(fitted.model, normalise(images, fitted.spec), sample, bfloat16=bfloat16)
    return np.asarray(outputs["cells"].argmax(dim=1).cpu().numpy())


def rate_share(step: int, steps: int, warmup: float) -> float:
    """Return the share of the full rate at a step (0-based): up linearly, then half a cosine towards zero."""
    rising = max(round(warmup * steps), 1)
    if step < rising:
        return (step + 1) / rising
    return (1 + math.cos(math.pi * (step - rising + 1) / (steps - rising + 1))) / 2


def _stream(
    data: FittingData, examples: Examples, spec: PreprocessSpec, preset: LoopPreset, processes: Processes
) -> PhotoStream:
    chunk = max(min(preset.micro_batch, preset.batch, MAX_BLOCK // len(data.centroid_lat_lng)), 1)
    return PhotoStream(examples.samples, spec, preset.batch, preset.seed, processes.rank, processes.count, chunk=chunk)


def _schedule(model: GeocellModel, preset: LoopPreset, steps: int) -> Schedule:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, preset.learning_rate, weight_decay=preset.weight_decay)
    return Schedule(optimizer, lambda step: rate_share(step, steps, preset.warmup))


def _no_gradients(weights: Sequence[torch.Tensor]) -> None:
    """Zeros rather than None: a process without a photograph of the batch adds its nothing to the others' gradients."""
    for weight in weights:
        weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad.zero_()


def _means(sums: Mapping[str, torch.Tensor], steps: int, processes: Processes) -> dict[str, float]:
    total: Counter[str] = Counter()
    for mine in processes.gather({name: float(loss) for name, loss in sums.items()}):
        total.update(mine)
    if not math.isfinite(sum(total.values())):
        raise PigeonError("the loss is no number any more; take a lower learning rate")
    return {name: loss / steps for name, loss in total.items()}
