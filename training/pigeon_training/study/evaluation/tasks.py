"""The metrics of the tasks beside the geocell, in the units of the manifest. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeon_training.data.tasks import REGRESSIONS, Doubles, Ids, TaskTargets
from pigeon_training.study.evaluation.metrics import percent

UNITS = ("m", "people/km2", "degrees C", "degrees C", "mm", "mm")
"""Of ``REGRESSIONS``."""


@dataclass(frozen=True, eq=False)
class TaskAnswers:
    """Of N photographs: regression (N, 6) in units, climate and month (N,) classes; None for a task without a head."""

    regression: Doubles | None
    climate: Ids | None
    month: Ids | None


@dataclass(frozen=True)
class RegressionMetric:
    """How far off answers are, over the ``photographs`` whose truth is known."""

    unit: str
    mean_absolute_error: float
    median_absolute_error: float
    photographs: int
    unknown: int


@dataclass(frozen=True)
class ClassMetric:
    """How many percent of classes are right, over the ``photographs`` whose truth is known."""

    percent: float
    photographs: int
    unknown: int


def task_metrics(answers: TaskAnswers, truth: TaskTargets) -> dict[str, RegressionMetric | ClassMetric]:
    """Return a metric for every task that is answered and of which at least one truth is known."""
    found: dict[str, RegressionMetric | ClassMetric] = {}
    if answers.regression is not None:
        errors = np.abs(answers.regression - truth.regression)  # (N, 6), NaN where the truth is unknown
        for name, unit, column in zip(REGRESSIONS, UNITS, errors.T, strict=True):
            known = column[~np.isnan(column)]
            if len(known):
                mean, median = round(float(known.mean()), 3), round(float(np.median(known)), 3)
                found[name] = RegressionMetric(unit, mean, median, len(known), len(column) - len(known))
    for name in ("climate", "month"):
        answer, right = getattr(answers, name), getattr(truth, name)
        known = right >= 0
        if answer is not None and known.any():
            found[name] = ClassMetric(percent(answer[known] == right[known]), int(known.sum()), int((~known).sum()))
    return found
