"""Training a tower and its geocell head from nothing."""

from __future__ import annotations

import torch

from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.learning.fitting.checkpoint import Checkpoint
from pigeon_training.learning.fitting.examples import FittingData
from pigeon_training.learning.fitting.loop import AfterEpoch, train
from pigeon_training.learning.fitting.objective import CamerasObjective
from pigeon_training.learning.fitting.parallel import Processes
from pigeon_training.learning.fitting.scope import Scope, train_only
from pigeon_training.model.geocell_model import GeocellModel, Heads, new_tower
from pigeon_training.model.model_folder import FittedModel
from pigeon_training.presets import FitPreset

ALONE = Processes()


def fit(
    data: FittingData,
    preset: FitPreset,
    after_epoch: AfterEpoch,
    processes: Processes = ALONE,
    checkpoint: Checkpoint | None = None,
) -> FittedModel:
    """Return the model of the epoch with the best median validation error. Raises as ``loop.train`` does."""
    torch.manual_seed(preset.seed)
    model = GeocellModel(new_tower(preset.tower), Heads(preset.tower.width, {"cells": len(data.centroid_lat_lng)}))
    train_only(model, Scope.ALL)
    fitted = FittedModel(model, PreprocessSpec(preset.tower.image_size_px), scale=None, cell_ids=data.cell_ids)
    cameras = torch.Generator().manual_seed(preset.seed + processes.rank)
    train(fitted, data, CamerasObjective(data, preset, cameras), preset, processes, after_epoch, checkpoint)
    return fitted
