"""What is minimised. The loss of a batch is a sum over its parts, so that it does not depend on how it is divided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch

from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.data.streaming import Batch, Ids
from pigeon_training.data.tasks import RegressionScale
from pigeon_training.learning.fitting.augment import another_camera
from pigeon_training.learning.fitting.examples import Examples, FittingData
from pigeon_training.learning.losses import (
    TASK_WEIGHTS,
    haversine_targets,
    inconsistency,
    soft_cross_entropy,
    sphere_tensor,
    task_losses,
)
from pigeon_training.matrix_precision import matrix_precision
from pigeon_training.model.geocell_model import GeocellModel, embed_images, mean_of_views, normalise, planes
from pigeon_training.model.model_folder import FittedModel
from pigeon_training.presets import FitPreset, TunePreset
from pigeon_training.smoothing import Smoothing


class Objective(Protocol):
    """The loss of samples of a batch; ``generator`` draws its random numbers, None where it has none."""

    generator: torch.Generator | None

    def __call__(self, model: GeocellModel, part: Batch, whole: Ids) -> dict[str, torch.Tensor]:
        """Return named summands of the loss of a part of the batch that consists of the samples ``whole``.

        Over all parts they add up to the batch's mean loss; a sample that could not be read adds nothing.
        """


def forward(
    model: GeocellModel, images: torch.Tensor, sample: torch.Tensor, *, bfloat16: bool
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return embeddings (S, D) and head outputs of normalised images (N, 3, H, W); only the tower in half precision."""
    half = matrix_precision(images.device, bfloat16=bfloat16) is torch.bfloat16
    with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
        embedding = embed_images(model.tower, images)  # (N, D)
    embedding = mean_of_views(embedding.float(), sample)  # (S, D)
    return embedding, model.heads(embedding)


def images_of(batch: Batch, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (N, 3, H, W) in 0..1 and the sample (N,) of each, on a device."""
    return planes(torch.from_numpy(batch.pixels).to(device)), torch.from_numpy(batch.sample).to(device)


class CellTargets:
    """The haversine targets of samples, made when they are asked for."""

    def __init__(self, data: FittingData, smoothing: Smoothing) -> None:
        self._vectors = sphere_tensor(data.training.lat_lng)
        self._own_cell = torch.from_numpy(data.training.cell)
        self._centroids = sphere_tensor(data.centroid_lat_lng)
        self._smoothing = smoothing

    def of(self, numbers: Ids) -> torch.Tensor:
        """Return (n, C) float32 targets of samples (n,)."""
        return haversine_targets(self._vectors[numbers], self._own_cell[numbers], self._centroids, self._smoothing)


class TasksObjective:
    """Geocells and the tasks whose heads the model has, each task over the samples of a batch that know its target."""

    generator: torch.Generator | None = None

    def __init__(self, data: FittingData, preset: TunePreset, fitted: FittedModel) -> None:
        self._cells = CellTargets(data, preset.smoothing)
        self._targets = task_tensors(data.training, fitted.scale)
        self._known = {name: known_entries(target) for name, target in self._targets.items()}
        self._spec = fitted.spec
        self._bfloat16 = preset.bfloat16

    def __call__(self, model: GeocellModel, part: Batch, whole: Ids) -> dict[str, torch.Tensor]:
        """Return the loss of geocells, and of each task times its published weight."""
        device = model.tower.device
        images, sample = images_of(part, device)
        _, outputs = forward(model, normalise(images, self._spec), sample, bfloat16=self._bfloat16)
        targets = {name: target[part.numbers].to(device) for name, target in self._targets.items()}
        cells = soft_cross_entropy(outputs["cells"], self._cells.of(part.numbers).to(device))
        losses = {"cells": cells * (len(part.numbers) / len(whole))}
        for name, loss in task_losses(outputs, targets).items():
            losses[name] = TASK_WEIGHTS[name] * loss * self._share(name, part.numbers, whole)
        return losses

    def _share(self, name: str, numbers: Ids, whole: Ids) -> float:
        """Return what part of a batch's known targets of a task is known of ``numbers``."""
        known = self._known[name]
        return float(known[numbers].sum() / max(known[whole].sum(), 1))


class CamerasObjective:
    """The recipe from nothing: geocells, seen by two cameras of other colours whose embeddings shall agree."""

    generator: torch.Generator | None

    def __init__(self, data: FittingData, preset: FitPreset, cameras: torch.Generator) -> None:
        self._cells = CellTargets(data, Smoothing(preset.tau_km))
        self._spec = PreprocessSpec(preset.tower.image_size_px)
        self._preset = preset
        self.generator = self._cameras = cameras

    def __call__(self, model: GeocellModel, part: Batch, whole: Ids) -> dict[str, torch.Tensor]:
        """Return the loss of geocells, and of the two embeddings' distance."""
        images, sample = images_of(part, model.tower.device)
        seen = another_camera(images.repeat(2, 1, 1, 1), self._preset.colour_strength, self._cameras)  # (2 N, 3, S, S)
        twice = torch.cat([sample, sample + len(part.numbers)])
        embedding, outputs = forward(model, normalise(seen, self._spec), twice, bfloat16=self._preset.bfloat16)
        targets = self._cells.of(part.numbers).to(embedding.device)
        share = len(part.numbers) / len(whole)
        return {
            "cells": share * soft_cross_entropy(outputs["cells"], targets.repeat(2, 1)),
            "consistency": share * self._preset.consistency_weight * inconsistency(*embedding.chunk(2)),
        }


def task_tensors(examples: Examples, scale: RegressionScale | None) -> Mapping[str, torch.Tensor]:
    """Return the tasks' targets as losses take them: regression (S, 6) on its scale, climate and month (S,)."""
    if examples.tasks is None:
        return {}
    tensors = {name: torch.from_numpy(getattr(examples.tasks, name)) for name in ("climate", "month")}
    if scale is not None:
        tensors["regression"] = torch.from_numpy(scale.standard(examples.tasks.regression)).float()
    return tensors


def known_entries(target: torch.Tensor) -> Ids:
    """Return (S,) how many of a sample's targets are known: of six regressions, or of one class."""
    known = torch.isfinite(target).sum(dim=1) if target.ndim == 2 else target >= 0
    return np.asarray(known.numpy(), np.int64)
