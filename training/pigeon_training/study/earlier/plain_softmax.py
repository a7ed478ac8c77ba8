"""A plain softmax over classes: ours without smoothing and without further tasks, trained alike in all else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from pigeon_training.data.tasks import REGRESSIONS, TaskTargets
from pigeon_training.learning.heads.examples import HeadExamples
from pigeon_training.learning.heads.fit import AfterEpoch, fit_heads
from pigeon_training.presets import HeadsPreset
from pigeon_training.smoothing import Smoothing
from pigeon_training.study.earlier.classes import ClassTask, Score
from pigeon_training.study.earlier.photographs import Doubles, Embeddings, Ids, Photographs


@dataclass(frozen=True, eq=False)
class PlainSoftmax:
    """Fits a linear head by cross-entropy to the own class, with the rates, batches, patience and seed of ``preset``.

    As for our heads, the epoch with the least median validation error counts. ``after_epoch`` hears of each epoch.
    """

    preset: HeadsPreset
    after_epoch: AfterEpoch

    def __call__(self, task: ClassTask) -> Score:
        """Return the fitted head."""
        plain = replace(self.preset, smoothing=Smoothing(0.0), tasks=())
        training = _examples(task.training, task.training_class)
        validation = _examples(task.validation, task.validation_class)
        head = fit_heads(training, validation, task.centroid_lat_lng, plain, self.after_epoch).heads["cells"]

        def score(queries: Embeddings) -> Doubles:
            with torch.inference_mode():
                return np.asarray(head(torch.from_numpy(queries)).numpy(), np.float64)

        return score


def _examples(photographs: Photographs, number: Ids) -> HeadExamples:
    count = len(number)
    unknown = TaskTargets(np.full((count, len(REGRESSIONS)), np.nan), np.full(count, -1), np.full(count, -1))
    return HeadExamples(photographs.embedding, photographs.lat_lng, number, unknown)
