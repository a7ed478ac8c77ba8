"""The numbers of an evaluation, made of predictions alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeon_training.study.evaluation.breakdown import Group, by_country, by_settlement, right_country
from pigeon_training.study.evaluation.examples import Example, confidently_wrong, most_uncertain, worst
from pigeon_training.study.evaluation.metrics import (
    RESAMPLES,
    DistanceIntervals,
    Distances,
    Interval,
    distance_intervals,
    distances,
    percent,
    percent_interval,
)
from pigeon_training.study.evaluation.predictions import Doubles, Predictions

TOP_K = (1, 5)


@dataclass(frozen=True)
class Share:
    """A percentage of ``photographs``, and its 95 % interval."""

    percent: float
    interval: Interval
    photographs: int


@dataclass(frozen=True)
class Claims:
    """The percentage of photographs that claim a distance, or a nearer one, and how many percent of these are wrong."""

    percent: float
    wrong_percent: float


@dataclass(frozen=True)
class Report:
    """What predictions are worth; what they do not tell is None or empty, and ``absent`` says why.

    ``measured_coverage`` (0..1) is how often the truth lies within the stated radius, ``measured_coverage_50`` within
    the smaller one. ``claims`` are by the distance claimed, in km.
    """

    photographs: int
    places: int
    distances: Distances
    intervals: DistanceIntervals
    by_centroid: Distances | None
    country: Share | None
    top_k_cells: dict[str, Share]
    measured_coverage: float | None
    median_radius_km: float | None
    measured_coverage_50: float | None
    median_radius_50_km: float | None
    claims: dict[str, Claims]
    median_entropy_nats: float | None
    by_country: tuple[Group, ...]
    by_settlement: tuple[Group, ...]
    worst: tuple[Example, ...]
    most_uncertain: tuple[Example, ...]
    confidently_wrong: tuple[Example, ...]
    absent: tuple[str, ...]


def report(predictions: Predictions, resamples: int = RESAMPLES) -> Report:
    """Return the report of N >= 1 predictions, of which only answers and truths need be known."""
    error_km, centroid_km, place = predictions.error_km, predictions.centroid_error_km, predictions.place_number
    return Report(
        photographs=len(predictions),
        places=len(np.unique(place)),
        distances=distances(error_km),
        intervals=distance_intervals(error_km, place, resamples),
        by_centroid=None if centroid_km is None else distances(centroid_km),
        country=_country(predictions, resamples),
        top_k_cells=_top_k(predictions, resamples),
        measured_coverage=_coverage(predictions.error_km, predictions.radius_km),
        median_radius_km=_median(predictions.radius_km, 1),
        measured_coverage_50=_coverage(predictions.error_km, predictions.radius_50_km),
        median_radius_50_km=_median(predictions.radius_50_km, 1),
        claims=_claims(predictions),
        median_entropy_nats=_median(predictions.entropy_nats, 3),
        by_country=by_country(predictions),
        by_settlement=by_settlement(predictions),
        worst=worst(predictions),
        most_uncertain=most_uncertain(predictions),
        confidently_wrong=confidently_wrong(predictions),
        absent=_absent(predictions),
    )


def _country(predictions: Predictions, resamples: int) -> Share | None:
    judged = right_country(predictions)
    if judged is None:
        return None
    right, known = judged
    interval = percent_interval(right[known], predictions.place_number[known], resamples)
    return Share(percent(right[known]), interval, int(known.sum()))


def _top_k(predictions: Predictions, resamples: int) -> dict[str, Share]:
    rank = predictions.cell_rank
    if rank is None:
        return {}
    hits = {str(k): rank < k for k in TOP_K}
    return {
        k: Share(percent(hit), percent_interval(hit, predictions.place_number, resamples), len(hit))
        for k, hit in hits.items()
    }


def _coverage(error_km: Doubles, radius_km: Doubles | None) -> float | None:
    return None if radius_km is None else round(float(np.mean(error_km <= radius_km)), 4)


def _claims(predictions: Predictions) -> dict[str, Claims]:
    if predictions.within_km is None:
        return {}
    distances_km = np.unique(predictions.within_km[np.isfinite(predictions.within_km)])
    claimed = {f"{each:g}": predictions.within_km <= each for each in distances_km}
    return {
        each: Claims(percent(who), percent(predictions.error_km[who] > float(each))) for each, who in claimed.items()
    }


def _median(values: np.ndarray | None, digits: int) -> float | None:
    return None if values is None else round(float(np.median(values)), digits)


def _absent(predictions: Predictions) -> tuple[str, ...]:
    """Return a sentence for each part of the report that cannot be told."""
    population = predictions.population
    unknown = 0 if population is None else int(np.isnan(population).sum())
    sentences = {
        "country: neither manifest nor --boundaries names the countries": right_country(predictions) is None,
        "top_k_cells: needs --cells": predictions.cell_rank is None,
        "radius: a model has none before calibration": predictions.radius_km is None,
        "by_settlement: the manifest has no population": population is None or unknown == len(predictions),
        f"by_settlement: {unknown} photographs have no population": 0 < unknown < len(predictions),
    }
    return tuple(sentence for sentence, applies in sentences.items() if applies)
