from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_edge.answer.cells import CellTable
from pigeon_edge.answer.confidence import (
    FARTHEST_KM,
    UNFITTED,
    Claim,
    ConfidenceSettings,
    expected_error_km,
    mass_within,
    read_confidence,
    spread_km,
    stated,
)
from pigeon_edge.answer.estimate import Place
from pigeon_edge.bundle.parts import open_confidence
from pigeon_edge.errors import BundleError, UsageError
from pigeon_edge.retrieval.protocol import Refined

DEGREE_KM = 111.19508
ROW = CellTable(np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 6.0], [0.0, -14.0]]), (Place("", "", ""),) * 4)
"""Centroids on the equator; their reaches are 1, 1, 2 and 7 degrees."""
MASS = np.array([0.5, 0.25, 0.125, 0.125])


@pytest.mark.parametrize(
    ("coverage", "degrees"), [(0.1, 1), (0.5, 1), (0.6, 3), (0.75, 3), (0.8, 8), (0.9, 21), (1, 21)]
)
def test_spread_is_the_far_side_of_the_last_cell_needed(coverage, degrees):
    assert spread_km((0, 0), MASS, ROW, coverage) == pytest.approx(degrees * DEGREE_KM, rel=1e-6)


def test_spread_is_measured_from_the_point_and_not_from_the_likeliest_cell():
    assert spread_km((0, 6), MASS, ROW, 0.1) == pytest.approx(2 * DEGREE_KM, rel=1e-6)
    assert spread_km((0, 6), MASS, ROW, 0.9) == pytest.approx(27 * DEGREE_KM, rel=1e-6)


@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_more_coverage_never_needs_less(a, b):
    low, high = sorted((a, b))
    assert spread_km((3, 1), MASS, ROW, low) <= spread_km((3, 1), MASS, ROW, high)


def test_rounding_below_1_still_finds_the_last_cell():
    assert spread_km((0, 0), MASS * 0.999, ROW, 1.0) == pytest.approx(21 * DEGREE_KM, rel=1e-6)


def refined(kilometres, weights):
    """Return an answer at 0, 0 that was weighed against points so many kilometres away, along the equator."""
    points = np.array([(0.0, km / DEGREE_KM) for km in kilometres])
    none = np.array([-1])
    return Refined(np.array([0]), np.array([1.0]), np.array([[0.0, 0.0]]), none, 0.0, points, np.array(weights))


FITTED = ConfidenceSettings(
    temperature=1.0, expected_km=(50.0, 200.0), radius_50_km=(10.0, 100.0, 400.0), radius_90_km=(60.0, 500.0, 900.0),
    risk=0.1, claims=(Claim(25.0, 0.9), Claim(200.0, 0.7), Claim(2500.0, 0.2)), fitted_on=100,
)  # fmt: skip


def test_expected_error_is_the_mean_distance_by_weight():
    assert expected_error_km(refined([0, 100, 1000], [0.5, 0.3, 0.2])) == pytest.approx(230, rel=1e-6)


def test_mass_within_counts_the_points_that_near():
    one = refined([0, 100, 1000], [0.5, 0.3, 0.2])
    assert [mass_within(one, km) for km in (1, 101, 999, 1001)] == pytest.approx([0.5, 0.8, 0.8, 1.0])


@pytest.mark.parametrize(
    ("away_km", "radii"), [(0, (10, 60)), (99, (10, 60)), (101, (100, 500)), (399, (100, 500)), (401, (400, 900))]
)
def test_radii_are_those_of_the_step_of_the_expected_error(away_km, radii):
    found = stated(refined([0, away_km], [0.5, 0.5]), MASS, ROW, FITTED)
    assert (found.radius_50_km, found.radius_90_km) == radii


@pytest.mark.parametrize(
    ("weights", "within_km"),
    [([0.95, 0.03, 0.02], 25), ([0.8, 0.1, 0.1], 200), ([0.5, 0.3, 0.2], 200), ([0.3, 0.3, 0.4], 2500)],
)
def test_the_nearest_distance_with_enough_mass_is_claimed(weights, within_km):
    assert stated(refined([0, 100, 1000], weights), MASS, ROW, FITTED).within_km == within_km


def test_an_answer_without_enough_mass_anywhere_claims_nothing():
    assert stated(refined([3000, 4000], [0.5, 0.5]), MASS, ROW, FITTED).within_km is None


@given(st.lists(st.floats(0, 15_000), min_size=2, max_size=6), st.floats(0, 5000))
def test_surer_answers_have_no_wider_radii_and_no_farther_claims(away_km, more_km):
    weights = [1 / len(away_km)] * len(away_km)
    near = stated(refined(away_km, weights), MASS, ROW, FITTED)
    far = stated(refined([km + more_km for km in away_km], weights), MASS, ROW, FITTED)
    assert near.radius_50_km <= near.radius_90_km
    assert near.radius_50_km <= far.radius_50_km
    assert near.radius_90_km <= far.radius_90_km
    assert (near.within_km or FARTHEST_KM) <= (far.within_km or FARTHEST_KM)


def test_unfitted_radii_are_the_spread_of_the_posterior_and_nothing_is_claimed():
    found = stated(refined([0], [1.0]), MASS, ROW, UNFITTED)
    assert found.radius_50_km == pytest.approx(DEGREE_KM, rel=1e-6)
    assert found.radius_90_km == pytest.approx(21 * DEGREE_KM, rel=1e-6)
    assert found.within_km is None


def test_no_radius_is_more_than_half_the_earth():
    poles = CellTable(np.array([[90.0, 0.0], [-90.0, 0.0]]), (Place("", "", ""),) * 2)
    assert spread_km((90, 0), np.array([0.5, 0.5]), poles, 0.9) == FARTHEST_KM == pytest.approx(20015.1144, abs=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.0}, {"risk": 1.0}, {"expected_km": (200.0, 50.0)}, {"expected_km": (50.0,)},
        {"radius_90_km": (60.0, 500.0)}, {"radius_90_km": (60.0, 900.0, 500.0)}, {"radius_50_km": (70.0, 100.0, 400.0)},
        {"claims": (Claim(200.0, 0.7), Claim(25.0, 0.9))}, {"claims": (Claim(25.0, 0.7), Claim(200.0, 0.9))},
        {"radius_50_km": (), "radius_90_km": ()},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(change):
    with pytest.raises(UsageError, match="confidence needs"):
        replace(FITTED, **change)


def test_settings_survive_the_file(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps(FITTED.to_json()))
    assert read_confidence(tmp_path / "c.json") == FITTED


def test_settings_of_an_earlier_version_say_what_to_do(tmp_path):
    earlier = {"temperature": 1.0, "coverage": 0.9, "radius_scale": 1.0, "fitted_on": 9}
    (tmp_path / "c.json").write_text(json.dumps(earlier))
    with pytest.raises(BundleError, match="earlier version, with one radius for all; run `pigeon-edge calibrate conf"):
        read_confidence(tmp_path / "c.json")


def test_a_bundle_carries_its_settings(tiny):
    assert open_confidence(tiny) == UNFITTED
