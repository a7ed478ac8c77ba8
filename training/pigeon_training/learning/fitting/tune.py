"""Fine-tuning of a model, with its heads where they fit and new ones where they do not."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pigeon_training.data.tasks import TASK_SIZES, fit_scale
from pigeon_training.learning.fitting.checkpoint import Checkpoint
from pigeon_training.learning.fitting.examples import Examples, FittingData
from pigeon_training.learning.fitting.loop import AfterEpoch, train
from pigeon_training.learning.fitting.objective import TasksObjective, known_entries
from pigeon_training.learning.fitting.parallel import Processes
from pigeon_training.learning.fitting.scope import Scope, train_only
from pigeon_training.model.geocell_model import GeocellModel, Heads
from pigeon_training.model.model_folder import FittedModel
from pigeon_training.presets import TunePreset

ALONE = Processes()


def tune(
    start: FittedModel,
    data: FittingData,
    preset: TunePreset,
    scope: Scope,
    after_epoch: AfterEpoch,
    processes: Processes = ALONE,
    checkpoint: Checkpoint | None = None,
) -> FittedModel:
    """Train ``start``, which is changed, and return it with the heads of ``heads_for`` at its best epoch.

    Its heads are those of the geocells and of each task of the preset whose target at least one photograph knows.
    Raises as ``loop.train`` does.
    """
    prepared = heads_for(start, data, preset)
    train_only(prepared.model, scope)
    train(prepared, data, TasksObjective(data, preset, prepared), preset, processes, after_epoch, checkpoint)
    return prepared


def heads_for(start: FittedModel, data: FittingData, preset: TunePreset) -> FittedModel:
    """Return the model with the heads to train: those that it has where they fit, else new ones drawn by seed.

    A head of regressions goes on with the scale that it was trained on; a new one, and a target that it did not know,
    have that of the training examples.
    """
    torch.manual_seed(preset.seed)
    tasks = told_tasks(data.training, preset.tasks)
    sizes = {"cells": len(data.centroid_lat_lng), **{name: TASK_SIZES[name] for name in tasks}}
    heads = Heads(start.model.tower.config.hidden_size, sizes)
    for name in fitting_heads(start, data, tasks):
        heads[name].load_state_dict(start.model.heads[name].state_dict())
    scale = None
    if "regression" in tasks and data.training.tasks is not None:
        targets = data.training.tasks.regression
        scale = start.scale.completed(targets) if start.scale else fit_scale(targets, preset.elevation_offset_m)
    return FittedModel(GeocellModel(start.model.tower, heads), start.spec, scale, data.cell_ids)


def fitting_heads(start: FittedModel, data: FittingData, tasks: Sequence[str]) -> list[str]:
    """Return which heads the model has already: of tasks, and of the geocells where they are the same ones."""
    had = start.model.heads
    known_to_differ = None not in (start.cell_ids, data.cell_ids) and start.cell_ids != data.cell_ids
    same_cells = "cells" in had and had["cells"].out_features == len(data.centroid_lat_lng) and not known_to_differ
    return [*(["cells"] if same_cells else []), *(name for name in tasks if name in had)]


def told_tasks(training: Examples, tasks: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the tasks whose target at least one example knows."""
    if training.tasks is None:
        return ()
    return tuple(name for name in tasks if known_entries(torch.from_numpy(getattr(training.tasks, name))).any())
