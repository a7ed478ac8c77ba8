"""What became of photographs whose place is known: errors, and what the model itself expected of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pigeon_calibration.confidence.claims import WITHIN_KM
from pigeon_calibration.confidence.encoded import Encoded
from pigeon_edge.answer.cells import CellTable, posterior
from pigeon_edge.answer.confidence import expected_error_km, mass_within
from pigeon_edge.geodesy import haversine_km, unit_vectors
from pigeon_edge.locator import Locator
from pigeon_edge.manifest import PhotoRow, lat_lng_of_rows
from pigeon_edge.retrieval.gallery import Gallery

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Truth:
    """Of N photographs, coordinates (N, 2), geocell (N,) and number of the place (N,)."""

    lat_lng: Doubles
    cell: Ids
    place: Ids


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Of N photographs, the error, the error that the model expected, and how sure it was.

    ``mass`` (N, 4) lies within each of ``WITHIN_KM`` of the answer. ``untempered`` and ``tempered`` (N,) are the
    probability of the best geocell at temperature 1 and at that which was fitted, ``right`` (N,) whether it is the true
    one. ``place`` (N,) is equal for photographs of one place.
    """

    error_km: Doubles
    expected_km: Doubles
    mass: Doubles
    untempered: Doubles
    tempered: Doubles
    right: npt.NDArray[np.bool_]
    place: Ids

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """(N, 4) whether the truth lies farther away than each of ``WITHIN_KM``."""
        return self.error_km[:, None] > np.array(WITHIN_KM)


def truth_of(rows: Sequence[PhotoRow], gallery: Gallery, table: CellTable) -> Truth:
    """Return what is known of photographs."""
    lat_lng = lat_lng_of_rows(rows)
    place = np.unique([row.place_id for row in rows], return_inverse=True)[1]
    return Truth(lat_lng, true_cells(lat_lng, gallery, table), place.astype(np.int64))


def true_cells(lat_lng: Doubles, gallery: Gallery, table: CellTable) -> Ids:
    """Return the geocell (N,) of coordinates (N, 2): that of the nearest gallery photograph.

    Where the gallery has no photographs it is the cell of the nearest centroid.
    """
    cells, gallery_lat_lng = gallery.cell_of_photographs()
    if not len(cells):
        cells, gallery_lat_lng = np.arange(len(table.places)), table.centroid_lat_lng
    vectors = unit_vectors(gallery_lat_lng)
    nearest = [int((vectors @ vector).argmax()) for vector in unit_vectors(lat_lng)]
    return np.asarray(cells[nearest], np.int64)


def outcomes_of(batches: Iterable[Encoded], truth: Truth, locator: Locator, temperature: float) -> Outcomes:
    """Return what becomes of photographs that are located at a temperature."""
    tempered = replace(locator, confidence=replace(locator.confidence, temperature=temperature))
    parts = [_outcomes(batch, truth, tempered) for batch in batches]
    return Outcomes(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _outcomes(batch: Encoded, truth: Truth, locator: Locator) -> tuple[npt.NDArray[np.generic], ...]:
    """Return the fields of ``Outcomes`` for one batch."""
    logits, found = batch.encoding.cell_logits, locator.find(batch.encoding)
    refined = [one.refined for one in found]
    answers = np.array([one.lat_lng[0] for one in refined])
    return (
        haversine_km(answers, truth.lat_lng[batch.numbers]),
        np.array([expected_error_km(one) for one in refined]),
        np.array([[mass_within(one, within_km) for within_km in WITHIN_KM] for one in refined]),
        posterior(logits, 1.0).max(axis=1),
        np.array([one.posterior.max() for one in found]),
        logits.argmax(axis=1) == truth.cell[batch.numbers],
        truth.place[batch.numbers],
    )
