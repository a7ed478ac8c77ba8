"""The metrics by country, and by town and country: where a model is good, and where it is not. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_training.study.evaluation.metrics import percent, percent_within
from pigeon_training.study.evaluation.predictions import Predictions

URBAN_PER_KM2 = 300.0
"""Density from which a square kilometre counts towards an urban cluster (Eurostat's degree of urbanisation)."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """The metrics of some of the photographs; ``country_percent`` is None where countries are unknown."""

    name: str
    photographs: int
    median_km: float
    percent_within_200_km: float
    percent_within_750_km: float
    country_percent: float | None


def by_country(predictions: Predictions) -> tuple[Group, ...]:
    """Return a group for each country of the truth, most photographs first; none where no country is known."""
    if predictions.true_country is None:
        return ()
    names, counts = np.unique(predictions.true_country[predictions.true_country != ""], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple(_group(str(name), predictions, predictions.true_country == name) for name in names[order])


def by_settlement(predictions: Predictions) -> tuple[Group, ...]:
    """Return the groups urban and rural, by people per square kilometre; none where no population is known."""
    if predictions.population is None:
        return ()
    masks = {"urban": predictions.population >= URBAN_PER_KM2, "rural": predictions.population < URBAN_PER_KM2}
    return tuple(_group(name, predictions, mask) for name, mask in masks.items() if mask.any())


def right_country(predictions: Predictions) -> tuple[Mask, Mask] | None:
    """Return which answers (N,) are in the country of the truth, and of which photographs (N,) it is known.

    None where it is known of none, or answers name no country.
    """
    if predictions.country is None or predictions.true_country is None:
        return None
    known = predictions.true_country != ""
    return (predictions.country == predictions.true_country, known) if known.any() else None


def _group(name: str, predictions: Predictions, mask: Mask) -> Group:
    some = predictions.of(mask)
    region, nation = percent_within(some.error_km, (200.0, 750.0)).tolist()
    country = right_country(some)
    return Group(
        name=name,
        photographs=len(some),
        median_km=round(float(np.median(some.error_km)), 2),
        percent_within_200_km=round(region, 2),
        percent_within_750_km=round(nation, 2),
        country_percent=None if country is None else percent(country[0][country[1]]),
    )
