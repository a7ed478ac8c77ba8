from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_edge.cells import CellTable
from pigeon_edge.confidence import FARTHEST_KM, UNFITTED, ConfidenceSettings, open_confidence, radius_km, spread_km
from pigeon_edge.estimate import Place

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


def test_radius_scales_the_spread_and_stops_at_half_the_earth():
    settings = ConfidenceSettings(temperature=1.0, coverage=0.9, radius_scale=1.5, fitted_on=100)
    assert radius_km(200.0, settings) == 300.0
    assert radius_km(20_000.0, settings) == FARTHEST_KM == pytest.approx(20015.1144, abs=1e-3)


def test_a_bundle_carries_its_settings(tiny):
    assert open_confidence(tiny) == UNFITTED
