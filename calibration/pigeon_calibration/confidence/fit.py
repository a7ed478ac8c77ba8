"""Confidence settings from outcomes: a temperature, radii by steps of the expected error, and claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pigeon_calibration.confidence.claims import claims_of
from pigeon_calibration.confidence.encoded import Unreadable, encoded, kept
from pigeon_calibration.confidence.held_out import Purpose, check_places
from pigeon_calibration.confidence.outcomes import Outcomes, outcomes_of, truth_of
from pigeon_calibration.confidence.radii import radii_of, steps_of
from pigeon_calibration.confidence.temperature import best_temperature
from pigeon_edge.answer.confidence import HALF, MOST, UNFITTED, ConfidenceSettings
from pigeon_edge.locator import Locator
from pigeon_edge.manifest import PhotoRow
from pigeon_edge.retrieval.gallery import Gallery


@dataclass(frozen=True, eq=False)
class Fitted:
    """The settings, and the outcomes that they were fitted on."""

    settings: ConfidenceSettings
    outcomes: Outcomes


def fit_confidence(
    locator: Locator,
    gallery: Gallery,
    rows: Sequence[PhotoRow],
    unreadable: Unreadable,
    scratch: Path,
    risk: float = UNFITTED.risk,
) -> Fitted:
    """Fit a bundle's confidence on photographs that it was not trained on, through its own graph.

    Their encodings are kept in a temporary file in the folder ``scratch``. Raises InputError where they, or those of
    them that can be read, are of too few places.
    """
    check_places(rows, Purpose.FIT)
    truth = truth_of(rows, gallery, locator.cells)
    with kept(encoded(locator, rows, unreadable, Purpose.FIT), scratch) as replay:
        temperature = best_temperature((batch.encoding.cell_logits, truth.cell[batch.numbers]) for batch in replay())
        outcomes = outcomes_of(replay(), truth, locator, temperature)
    return Fitted(settings_of(outcomes, temperature, risk), outcomes)


def settings_of(outcomes: Outcomes, temperature: float, risk: float) -> ConfidenceSettings:
    """Return the settings that keep their promises on photographs like those of the outcomes."""
    borders_km = steps_of(outcomes.expected_km)
    half, most = (radii_of(outcomes.error_km, outcomes.expected_km, borders_km, share) for share in (HALF, MOST))
    return ConfidenceSettings(
        temperature=temperature,
        expected_km=tuple(borders_km.tolist()),
        radius_50_km=tuple(half.tolist()),
        radius_90_km=tuple(most.tolist()),
        risk=risk,
        claims=claims_of(outcomes.wrong, outcomes.mass, outcomes.place, risk),
        fitted_on=len(outcomes.error_km),
    )
