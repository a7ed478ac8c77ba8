"""Predictions of a fitted model in torch: the centroid of the most probable geocell, and the tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from pigeon_edge.answer.cells import posterior
from pigeon_edge.errors import InputError
from pigeon_edge.manifest import PhotoRow
from pigeon_training.cells.partition import Partition
from pigeon_training.data.streaming import Batch, PhotoStream, Sample, Unreadable
from pigeon_training.model.geocell_model import normalise, planes
from pigeon_training.model.model_folder import FittedModel
from pigeon_training.study.evaluation.metrics import entropy_nats, rank_of_cell
from pigeon_training.study.evaluation.predicted import Predicted, Watch
from pigeon_training.study.evaluation.predictions import Predictions, countries_of, joined, known_of_rows
from pigeon_training.study.evaluation.tasks import TaskAnswers

BATCH = 32

Outputs = dict[str, npt.NDArray[np.float32]]


def predict_with_model(
    name: str, fitted: FittedModel, cells: Partition, samples: Sequence[Sample], watch: Watch = iter
) -> Predicted:
    """Locate every sample, by the mean embedding of its views. The model runs where its weights are.

    Raises InputError where not one photograph can be read, or the geocells are not the model's in number.
    """
    size = fitted.model.heads["cells"].out_features
    if size != len(cells):
        raise InputError(f"expected the {size} geocells that the model was trained on, found {len(cells)}")
    read: list[PhotoRow] = []
    unreadable: list[Unreadable] = []
    parts, outputs = [], []
    for batch in watch(PhotoStream(samples, fitted.spec, BATCH).in_order()):
        unreadable += batch.unreadable
        if batch.rows:
            first = np.unique(batch.sample, return_index=True)[1]
            rows = [batch.rows[number] for number in first]
            answer = _run(fitted, batch)
            read += rows
            outputs.append({name: values for name, values in answer.items() if name != "cells"})
            parts.append(_predictions(cells, answer["cells"], rows))
    tasks = _tasks(fitted, outputs)
    return Predicted(name, joined(parts), tuple(read), tuple(unreadable), tasks=tasks)


def _run(fitted: FittedModel, batch: Batch) -> Outputs:
    """Return the output (S, size) of each head for the S samples of a batch."""
    device = next(fitted.model.parameters()).device
    images = normalise(planes(torch.from_numpy(batch.pixels)), fitted.spec).to(device)  # (N, 3, H, W)
    with torch.inference_mode():
        _, outputs = fitted.model(images, torch.from_numpy(batch.sample).to(device))
    return {name: values.float().cpu().numpy() for name, values in outputs.items()}


def _predictions(cells: Partition, cell_logits: npt.NDArray[np.float32], rows: Sequence[PhotoRow]) -> Predictions:
    best = cell_logits.argmax(axis=1)
    return Predictions(
        **known_of_rows(rows),
        lat_lng=cells.centroid_lat_lng[best],
        country=countries_of([cells.cells[cell].place for cell in best.tolist()]),
        entropy_nats=entropy_nats(posterior(cell_logits, temperature=1.0)),
        cell_rank=rank_of_cell(cell_logits, cells.cell_of_rows(rows)),
    )


def _tasks(fitted: FittedModel, outputs: Sequence[Outputs]) -> TaskAnswers:
    whole = {name: np.concatenate([part[name] for part in outputs]) for name in outputs[0]}
    standard, scale = whole.get("regression"), fitted.scale
    return TaskAnswers(
        regression=None if standard is None or scale is None else scale.units(standard),
        climate=whole["climate"].argmax(axis=1) if "climate" in whole else None,
        month=whole["month"].argmax(axis=1) if "month" in whole else None,
    )
