"""Predictions together with the photographs that they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pigeon_edge.manifest import PhotoRow
from pigeon_training.data.streaming import Batch, Unreadable
from pigeon_training.study.evaluation.predictions import Predictions
from pigeon_training.study.evaluation.tasks import TaskAnswers

Watch: TypeAlias = Callable[[Iterable[Batch]], Iterable[Batch]]
"""Passes batches on, to show how far they are."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of N samples that could be read, with their rows, and the photographs that could not.

    ``model`` is the model's name. Of a sample of several views, ``rows`` (N,) has the first. ``promised_coverage``
    (0..1) is what a bundle promises of its radius; it answers no ``tasks``. A checkpoint promises nothing.
    """

    model: str
    predictions: Predictions
    rows: tuple[PhotoRow, ...]
    unreadable: tuple[Unreadable, ...]
    promised_coverage: float | None = None
    tasks: TaskAnswers | None = None
