"""Predictions of a bundle: the graph that ships, through the runtime of the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pigeon_edge.answer.cells import posterior
from pigeon_edge.answer.confidence import MOST
from pigeon_edge.errors import InputError
from pigeon_edge.locator import Locator
from pigeon_edge.manifest import PhotoRow
from pigeon_training.cells.partition import Partition
from pigeon_training.data.streaming import Batch, PhotoStream, Unreadable, singles
from pigeon_training.study.evaluation.metrics import entropy_nats, rank_of_cell
from pigeon_training.study.evaluation.predicted import Predicted, Watch
from pigeon_training.study.evaluation.predictions import Predictions, countries_of, joined, known_of_rows

BATCH = 64
_SAME_KM = 1e-3


def predict_with_bundle(
    locator: Locator, rows: Sequence[PhotoRow], cells: Partition | None, watch: Watch = iter
) -> Predicted:
    """Locate every photograph on its own.

    With ``cells``, the geocells that the bundle was made with, the rank of the true cell is known. Raises InputError
    where not one photograph can be read, or the geocells are not the bundle's.
    """
    if cells is not None:
        _check_same_cells(locator, cells)
    stream = PhotoStream(singles(rows), locator.preprocess, BATCH)
    read: list[PhotoRow] = []
    unreadable: list[Unreadable] = []
    parts = []
    for batch in watch(stream.in_order()):
        unreadable += batch.unreadable
        if batch.rows:
            read += batch.rows
            parts.append(_predict(locator, batch, cells))
    return Predicted(locator.label, joined(parts), tuple(read), tuple(unreadable), MOST)


def _predict(locator: Locator, batch: Batch, cells: Partition | None) -> Predictions:
    encoding = locator.encoder.encode(batch.pixels)
    estimates = locator.answers(encoding)
    logits = encoding.cell_logits
    return Predictions(
        **known_of_rows(batch.rows),
        lat_lng=np.array([estimate.lat_lng for estimate in estimates], np.float64),
        centroid_lat_lng=locator.cells.centroid_lat_lng[logits.argmax(axis=1)],
        country=countries_of([estimate.place for estimate in estimates]),
        radius_km=np.array([estimate.radius_km for estimate in estimates], np.float64),
        radius_50_km=np.array([estimate.radius_50_km for estimate in estimates], np.float64),
        within_km=np.array([estimate.within_km or np.inf for estimate in estimates], np.float64),
        entropy_nats=entropy_nats(posterior(logits, locator.confidence.temperature)),
        cell_rank=None if cells is None else rank_of_cell(logits, cells.cell_of_rows(batch.rows)),
    )


def _check_same_cells(locator: Locator, cells: Partition) -> None:
    theirs, ours = cells.centroid_lat_lng, locator.cells.centroid_lat_lng
    if theirs.shape != ours.shape or not np.allclose(theirs, ours, atol=_SAME_KM):
        raise InputError(
            f"expected the {len(ours)} geocells that {locator.label} was made with, found {len(theirs)} others; "
            "give the folder it was packed from, or leave --cells out"
        )
