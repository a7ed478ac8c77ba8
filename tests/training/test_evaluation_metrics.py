"""Metrics by hand, against published numbers, and by their senses; bootstrap intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_training.study.evaluation.metrics import (
    THRESHOLDS_KM,
    bootstrap,
    distance_intervals,
    distances,
    entropy_nats,
    geoguessr_score,
    mean_of,
    median_of,
    percent_within,
    rank_of_cell,
    top_k_cells,
)
from pigeon_training.study.evaluation.predictions import Predictions

RADIUS_KM = 6371.0088
HALF_EARTH_KM = math.pi * RADIUS_KM
PUBLISHED_COUNT = 5000
PUBLISHED = {
    # Haas et al. 2024, table of ablations: mean km, median km, score, % within 1, 25, 200, 750, 2500 km.
    "PIGEON": (251.6, 44.35, 4525, (5.36, 40.36, 78.28, 94.52, 98.56)),
    "without contrastive pre-training": (316.9, 55.51, 4464, (1.24, 34.54, 76.36, 93.36, 97.94)),
    "without semantic geocells": (299.9, 60.63, 4454, (1.18, 33.22, 75.42, 93.42, 98.16)),
    "without panorama": (877.4, 131.1, 3986, (0.92, 24.18, 59.04, 82.84, 92.76)),
    "CLIP": (990.0, 148.0, 3890, (1.28, 24.08, 55.38, 80.20, 92.00)),
}

errors = st.lists(st.floats(0.0, 20_000.0), min_size=1, max_size=40).map(np.array)


def test_metrics_by_hand():
    found = distances(np.array([0.5, 20.0, 24.0, 100.0, 300.0, 1000.0, 2000.0, 9000.0]))
    assert found.median_km == 200.0
    assert found.mean_km == 1555.56
    assert found.score == pytest.approx(
        5000 / 8 * sum(math.exp(-d / 1492.7) for d in (0.5, 20, 24, 100, 300, 1000, 2000, 9000)), abs=0.05
    )
    assert found.percent_within_km == {"1": 12.5, "25": 37.5, "200": 50.0, "750": 62.5, "2500": 87.5}


def test_error_on_a_threshold_is_within_it_and_one_beyond_is_not():
    limits = np.array(THRESHOLDS_KM)
    assert distances(limits).percent_within_km == {"1": 20.0, "25": 40.0, "200": 60.0, "750": 80.0, "2500": 100.0}
    assert percent_within(np.nextafter(limits, np.inf)).tolist() == [0.0, 20.0, 40.0, 60.0, 80.0]


@pytest.mark.parametrize(
    ("answer", "truth", "expected_km"),
    [
        ((0.0, 0.0), (0.0, 90.0), RADIUS_KM * math.pi / 2),
        ((0.0, 179.5), (0.0, -179.5), RADIUS_KM * math.radians(1)),
        ((89.0, 10.0), (89.0, -170.0), RADIUS_KM * math.radians(2)),
        ((90.0, 33.0), (90.0, -120.0), 0.0),
        ((-90.0, 0.0), (90.0, 77.0), HALF_EARTH_KM),
        # Berlin to Paris by the cosine rule.
        ((52.52, 13.405), (48.8566, 2.3522), RADIUS_KM * math.acos(
            math.sin(math.radians(52.52)) * math.sin(math.radians(48.8566))
            + math.cos(math.radians(52.52)) * math.cos(math.radians(48.8566)) * math.cos(math.radians(13.405 - 2.3522))
        )),
    ],
    ids=["quarter turn", "antimeridian", "over the pole", "at the pole", "pole to pole", "Berlin to Paris"],
)  # fmt: skip
def test_errors_are_great_circles_by_hand(answer, truth, expected_km):
    predictions = Predictions(np.array([answer]), np.array([truth]))
    assert predictions.error_km[0] == pytest.approx(expected_km, abs=1e-6)


def test_berlin_is_878_km_from_paris():
    predictions = Predictions(np.array([(52.52, 13.405)]), np.array([(48.8566, 2.3522)]))
    assert predictions.error_km[0] == pytest.approx(878, abs=1)


@pytest.mark.parametrize(("error_km", "points"), [(0, 5000), (25, 4917), (150, 4522), (750, 3025), (2500, 937)])
def test_scores_are_the_published_ones(error_km, points):
    assert round(float(geoguessr_score(error_km))) == points


def test_157_km_are_4500_points():
    assert geoguessr_score(157.3) == pytest.approx(4500, abs=0.5)


def test_score_is_the_mean_of_scores_that_are_not_rounded():
    assert distances(np.array([0.1, 0.1])).score == 4999.7


def published_errors(shares, median_km):
    """Return 5,000 errors, evenly spread between the published limits and on both sides of the published median."""
    known = sorted([(0.0, 0.0), *zip(shares, THRESHOLDS_KM, strict=True), (50.0, median_km), (100.0, HALF_EARTH_KM)])
    percent, error_km = zip(*known, strict=True)
    return np.interp((np.arange(PUBLISHED_COUNT) + 0.5) / PUBLISHED_COUNT * 100, percent, error_km)


@pytest.mark.parametrize("row", PUBLISHED.values(), ids=PUBLISHED)
def test_published_percentages_and_medians_come_of_errors_of_that_kind(row):
    _, median_km, _, shares = row
    found = distances(published_errors(shares, median_km))
    assert list(found.percent_within_km.values()) == list(shares)
    assert found.median_km == pytest.approx(median_km, abs=0.1)


@pytest.mark.parametrize("row", PUBLISHED.values(), ids=PUBLISHED)
def test_published_scores_and_means_lie_between_what_the_percentages_allow(row):
    """Errors at the far ends of their intervals give the least score and largest mean, at the near ends the reverse."""
    mean_km, _, score, shares = row
    part = np.diff([0.0, *shares, 100.0]) / 100
    near_km, far_km = np.array([0.0, *THRESHOLDS_KM]), np.array([*THRESHOLDS_KM, HALF_EARTH_KM])
    assert part @ geoguessr_score(far_km) < score < part @ geoguessr_score(near_km)
    assert part @ near_km < mean_km < part @ far_km


@given(errors, st.floats(0.0, 5000.0))
def test_larger_errors_are_never_better(error_km, more_km):
    before, after = distances(error_km), distances(error_km + more_km)
    assert after.score <= before.score
    assert after.median_km >= before.median_km
    assert after.mean_km >= before.mean_km
    for limit, share in after.percent_within_km.items():
        assert share <= before.percent_within_km[limit]


@given(errors)
def test_order_of_the_photographs_does_not_matter(error_km):
    reversed_, found = distances(error_km[::-1]), distances(error_km)
    assert reversed_.percent_within_km == found.percent_within_km
    assert reversed_.median_km == found.median_km
    assert reversed_.mean_km == pytest.approx(found.mean_km, abs=0.011)
    assert list(found.percent_within_km.values()) == sorted(found.percent_within_km.values())


def test_rank_counts_the_cells_before_the_true_one():
    logits = np.array([[5.0, 1.0, 3.0], [5.0, 1.0, 3.0], [5.0, 1.0, 3.0]])
    assert rank_of_cell(logits, np.array([0, 1, 2])).tolist() == [0, 2, 1]
    assert top_k_cells(logits, np.array([0, 1, 2]), 1) == pytest.approx(33.33)
    assert top_k_cells(logits, np.array([0, 1, 2]), 2) == pytest.approx(66.67)
    assert top_k_cells(logits, np.array([0, 1, 2]), 5) == 100.0


def test_model_that_says_nothing_is_right_about_nothing():
    assert top_k_cells(np.zeros((4, 9)), np.array([0, 3, 5, 8]), 5) == 0.0


def test_entropy_is_zero_for_certainty_and_largest_for_none():
    certain, even, between = np.eye(4)[0], np.full(4, 0.25), np.array([0.7, 0.1, 0.1, 0.1])
    found = entropy_nats(np.stack([certain, between, even]))
    np.testing.assert_allclose(found[[0, 2]], [0.0, math.log(4)], atol=1e-12)
    assert found[0] < found[1] < found[2]


@given(errors, st.integers(0, 2**31))
def test_statistics_of_counts_are_those_of_photographs_taken_as_often(values, seed):
    times = np.random.default_rng(seed).integers(0, 4, len(values))
    times[0] += 1
    repeated = np.repeat(values, times)
    counts = np.stack([times, np.ones_like(times)]).astype(float)
    np.testing.assert_allclose(median_of(values)(counts), [np.median(repeated), np.median(values)], atol=1e-9)
    np.testing.assert_allclose(mean_of(values)(counts), [repeated.mean(), values.mean()], rtol=1e-9, atol=1e-9)


def sample(count):
    return np.random.default_rng(4).lognormal(5.0, 1.5, count)


def test_intervals_cover_their_estimates():
    error_km = sample(300)
    found, intervals = distances(error_km), distance_intervals(error_km, np.arange(300))
    for name in ("median_km", "mean_km", "score"):
        low, high = getattr(intervals, name)
        assert low < getattr(found, name) < high
    for limit, (low, high) in intervals.percent_within_km.items():
        assert low <= found.percent_within_km[limit] <= high


def test_intervals_are_the_same_every_time():
    error_km = sample(50)
    assert distance_intervals(error_km, np.arange(50)) == distance_intervals(error_km, np.arange(50))


def test_blocks_of_resamples_change_nothing_but_memory(monkeypatch):
    whole = distance_intervals(sample(50), np.arange(50))
    monkeypatch.setattr("pigeon_training.study.evaluation.metrics._BLOCK", 350)
    assert distance_intervals(sample(50), np.arange(50)) == whole


def test_intervals_shrink_with_the_number_of_photographs():
    few, many = (bootstrap(mean_of(sample(count)), np.arange(count))[0] for count in (100, 2500))
    assert 3.0 < (few.high - few.low) / (many.high - many.low) < 8.0  # about the root of 25


def test_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(2).normal(10.0, 2.0, 400)
    ((low, high),) = bootstrap(mean_of(values), np.arange(400), resamples=4000)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_views_of_one_place_do_not_make_an_estimate_surer():
    error_km = sample(60)
    alone = distance_intervals(error_km, np.arange(60))
    views = distance_intervals(np.tile(error_km, 4), np.tile(np.arange(60), 4))
    pretended = distance_intervals(np.tile(error_km, 4), np.arange(240))
    assert views == alone
    assert views.mean_km.high - views.mean_km.low > 1.5 * (pretended.mean_km.high - pretended.mean_km.low)
