"""The stage ``train evaluate``: a model and a manifest in; JSON, a table and pictures out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from pigeon_edge.answer.confidence import read_confidence
from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.cli.console import progress
from pigeon_edge.errors import PartialFailureError, UsageError
from pigeon_edge.locator import open_locator
from pigeon_edge.manifest import PhotoRow, lat_lng_of_rows
from pigeon_training.cells.store import read_cells
from pigeon_training.data.geography.boundaries import Boundaries
from pigeon_training.data.streaming import Sample
from pigeon_training.data.task_columns import read_task_targets
from pigeon_training.data.tasks import REGRESSIONS
from pigeon_training.study.baselines import constant_guess, nearest_pixels
from pigeon_training.study.evaluation.country import judged_by
from pigeon_training.study.evaluation.evaluation import Evaluation
from pigeon_training.study.evaluation.from_bundle import BATCH, predict_with_bundle
from pigeon_training.study.evaluation.predicted import Predicted, Watch
from pigeon_training.study.evaluation.predictions import Doubles
from pigeon_training.study.evaluation.report import report
from pigeon_training.study.evaluation.tasks import task_metrics

_SHOWN_FAILURES = 5

Say = Callable[[str], None]
Predict = Callable[[Sequence[Sample]], Predicted]


def predictor_of(bundle: Path | None, checkpoint: Path | None, cells: Path | None, confidence: Path | None) -> Predict:
    """Return the predict function of a bundle or checkpoint. Raises UsageError if the options contradict."""
    if (bundle is None) == (checkpoint is None):
        raise UsageError("expected one of --bundle and --checkpoint, found both or neither")
    if bundle:
        return partial(predict_of_bundle, bundle, confidence, cells)
    if checkpoint and cells and not confidence:
        return partial(predict_of_checkpoint, checkpoint, cells)
    raise UsageError("--checkpoint needs --cells, and takes no --confidence: it promises no radius")


def predict_of_bundle(
    bundle: Path, confidence: Path | None, cells: Path | None, samples: Sequence[Sample]
) -> Predicted:
    """Return the predictions of a bundle, each photograph on its own."""
    fitted = read_confidence(confidence) if confidence else None
    rows = [row for sample in samples for row in sample]
    with open_locator(open_bundle(bundle), confidence=fitted) as locator:
        return predict_with_bundle(locator, rows, read_cells(cells) if cells else None, _watch(len(rows), BATCH))


def predict_of_checkpoint(folder: Path, cells: Path, samples: Sequence[Sample]) -> Predicted:
    """Return the predictions of a model folder, on a GPU where there is one."""
    import torch

    from pigeon_training.model.model_folder import load_model
    from pigeon_training.study.evaluation.from_checkpoint import BATCH, predict_with_model

    fitted = load_model(folder)
    fitted.model.to("cuda" if torch.cuda.is_available() else "cpu")
    return predict_with_model(folder.name, fitted, read_cells(cells), samples, _watch(len(samples), BATCH))


def evaluate(
    predicted: Predicted,
    manifest: Path,
    training: Sequence[PhotoRow],
    boundaries: Boundaries | None,
) -> Evaluation:
    """Return the evaluation of predictions; baselines answer from the photographs of ``training``, if there are any."""
    truth = read_task_targets(manifest, predicted.rows)
    population = truth.regression[:, REGRESSIONS.index("population")]
    predictions = replace(predicted.predictions, population=None if np.isnan(population).all() else population)
    if boundaries is not None:
        predictions = judged_by(boundaries, predictions)
    return Evaluation(
        predicted=replace(predicted, predictions=predictions),
        report=report(predictions),
        rivals_km=_rivals_km(training, predicted.rows) if training else {},
        tasks=task_metrics(predicted.tasks, truth) if predicted.tasks else {},
    )


def tell_unreadable(evaluation: Evaluation, say: Say) -> None:
    """Tell of photographs that could not be read. Raises PartialFailureError, once all is written, if there are any."""
    unreadable = evaluation.predicted.unreadable
    for failure in unreadable[:_SHOWN_FAILURES]:
        say(f"pigeon-edge: {failure.reason}")
    if unreadable:
        raise PartialFailureError(f"photographs that could not be read: {len(unreadable)}; the report is of the others")


def _rivals_km(training: Sequence[PhotoRow], rows: Sequence[PhotoRow]) -> dict[str, Doubles]:
    return {
        "nearest_pixels": nearest_pixels(training, rows),
        "constant_guess": constant_guess(lat_lng_of_rows(training), lat_lng_of_rows(rows)),
    }


def _watch(total: int, batch: int) -> Watch:
    """Return a bar over the batches of so many samples."""
    return lambda batches: progress(batches, -(-total // batch), "batches")
