"""Fitting confidence on held-out photographs and the quantized graph: a temperature, and a radius that holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pigeon_edge.cells import CellTable, posterior
from pigeon_edge.confidence import UNFITTED, ConfidenceSettings, spread_km
from pigeon_edge.errors import InputError
from pigeon_edge.gallery import Gallery
from pigeon_edge.geodesy import haversine_km, unit_vectors
from pigeon_edge.locator import Locator
from pigeon_edge.photo_manifest import PhotoRow, lat_lng_of_rows
from pigeon_edge.photograph import read_pixels

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

CHUNK = 128
FEWEST = 20
"""With fewer photographs the finite-sample quantile of 90 % is no more than their maximum."""

_TEMPERATURES = np.geomspace(0.25, 4.0, 65)


def fit_confidence(
    locator: Locator, gallery: Gallery, rows: Sequence[PhotoRow], coverage: float = UNFITTED.coverage
) -> ConfidenceSettings:
    """Fit a bundle's confidence on photographs that it was not trained on. Raises InputError for fewer than 20."""
    if len(rows) < FEWEST:
        raise InputError(f"confidence needs at least {FEWEST} held-out photographs, found {len(rows)}; add places")
    truth = lat_lng_of_rows(rows)
    pixels = np.stack([read_pixels(row.path, locator.preprocess) for row in rows])
    starts = range(0, len(rows), CHUNK)
    logits = np.concatenate([locator.encoder.encode(pixels[start : start + CHUNK]).cell_logits for start in starts])
    temperature = best_temperature(logits, true_cells(truth, gallery, locator.cells))
    fitted = replace(UNFITTED, temperature=temperature, coverage=coverage, fitted_on=len(rows))
    error_km, spreads_km = _outcomes(replace(locator, confidence=fitted), pixels, logits, truth)
    return replace(fitted, radius_scale=conformal_scale(error_km, spreads_km, coverage))


def best_temperature(logits: npt.NDArray[np.float32], cell: Ids) -> float:
    """Return the temperature under which cells (N,) are most likely given logits (N, C) (Guo et al. 2017)."""
    rows = np.arange(len(cell))
    losses = [-np.log(np.maximum(posterior(logits, t)[rows, cell], 1e-12)).mean() for t in _TEMPERATURES]
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


def conformal_scale(error_km: Doubles, spreads_km: Doubles, coverage: float) -> float:
    """Return the factor by which spreads (N,) must grow so that ``coverage`` of errors (N,) lie within them.

    The split-conformal quantile, rank ceil((N + 1) * coverage) (Vovk et al. 2005), which holds on unseen photographs.
    """
    ratios = np.sort(error_km / spreads_km)
    rank = min(int(np.ceil((len(ratios) + 1) * coverage)), len(ratios))
    return round(float(ratios[rank - 1]), 4)


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


def _outcomes(
    locator: Locator, pixels: npt.NDArray[np.uint8], logits: npt.NDArray[np.float32], truth: Doubles
) -> tuple[Doubles, Doubles]:
    """Return the errors (N,) of the estimates, and the spreads (N,) of the posterior around them, in km."""
    starts = range(0, len(pixels), CHUNK)
    answers = [e.lat_lng for start in starts for e in locator.locate(pixels[start : start + CHUNK])]
    settings = locator.confidence
    posteriors = posterior(logits, settings.temperature)
    spreads = [spread_km(a, p, locator.cells, settings.coverage) for a, p in zip(answers, posteriors, strict=True)]
    return haversine_km(answers, truth), np.array(spreads)
