from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_edge.geodesy import (
    EARTH_RADIUS_KM,
    destination,
    haversine_km,
    lat_lng_of,
    spherical_mean,
    unit_vectors,
    wrap_lng,
)

HALF_TURN_KM = math.pi * EARTH_RADIUS_KM
ROUNDING_KM = 1e-3  # arcsin loses half the digits next to antipodes

points = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(points, points)
def test_distance_is_symmetric_and_at_most_half_a_turn(a, b):
    assert haversine_km(a, b) == pytest.approx(haversine_km(b, a), abs=1e-9)
    assert 0 <= haversine_km(a, b) <= HALF_TURN_KM + 1e-9


@given(points)
def test_distance_to_itself_is_zero(a):
    assert haversine_km(a, a) == 0.0


@given(points, points, points)
def test_a_detour_is_never_shorter(a, b, c):
    assert haversine_km(a, c) <= haversine_km(a, b) + haversine_km(b, c) + ROUNDING_KM


@given(points, st.sampled_from([-720, -360, 360, 720]))
def test_a_whole_turn_of_longitude_is_no_distance(a, turn):
    assert haversine_km(a, (a[0], a[1] + turn)) < 1e-6


@given(points, points)
def test_distance_is_the_angle_between_unit_vectors(a, b):
    u, v = unit_vectors(a), unit_vectors(b)
    angle = math.atan2(np.linalg.norm(np.cross(u, v)), u @ v)
    assert haversine_km(a, b) == pytest.approx(angle * EARTH_RADIUS_KM, abs=ROUNDING_KM)


@given(points)
def test_unit_vectors_have_unit_length_and_come_back(a):
    vector = unit_vectors(a)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-12)
    assert haversine_km(lat_lng_of(3 * vector), a) < 1e-6


@given(points, st.floats(0, 360), st.floats(0, HALF_TURN_KM))
def test_destination_lies_at_the_distance(a, bearing_deg, distance_km):
    reached = destination(a, bearing_deg, distance_km)
    assert haversine_km(a, reached) == pytest.approx(distance_km, abs=ROUNDING_KM)
    assert -90 <= reached[0] <= 90
    assert -180 <= reached[1] < 180


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [
        ((0, 0), (90, 0), 10007.5572),  # a quarter of 2 pi 6371.0088
        ((0, 0), (0, 1), 111.19508),  # a degree of the equator
        ((60, 0), (60, 1), 55.59701),  # half as much, less 0.0005 for the great circle's short cut
        ((0, 0), (0, 180), 20015.1144),
        ((37, -12), (-37, 168), 20015.1144),  # antipodes
        ((90, 13), (90, -140), 0),  # the pole is one point
        ((-17, 179.5), (-17, -179.5), 106.3364),  # a degree at 17 S, across the antimeridian
    ],
)
def test_distances_known_by_hand(a, b, km):
    assert haversine_km(a, b) == pytest.approx(km, abs=1e-3)


def test_distances_broadcast():
    assert haversine_km([[0, 0], [10, 0]], (0, 0)).shape == (2,)
    assert haversine_km(np.zeros((3, 1, 2)), np.zeros((4, 2))).shape == (3, 4)


def test_axes_of_unit_vectors():
    np.testing.assert_allclose(unit_vectors([[0, 0], [0, 90], [90, 0]]), np.eye(3), atol=1e-15)


@pytest.mark.parametrize(
    ("bearing_deg", "reached"), [(0, (1, 0)), (90, (0, 1)), (180, (-1, 0)), (270, (0, -1)), (360, (1, 0))]
)
def test_bearings_turn_clockwise_from_north(bearing_deg, reached):
    np.testing.assert_allclose(destination((0, 0), bearing_deg, 111.19508), reached, atol=1e-6)


def test_destination_across_the_antimeridian():
    np.testing.assert_allclose(destination((0, 179.5), 90, 111.19508), (0, -179.5), atol=1e-6)


@pytest.mark.parametrize(("lng", "wrapped"), [(180, -180), (-180, -180), (190, -170), (-190, 170), (540, -180), (0, 0)])
def test_longitudes_wrap_into_minus_180_up_to_180(lng, wrapped):
    assert wrap_lng(lng) == wrapped


def test_mean_of_fiji_is_in_fiji():
    np.testing.assert_allclose(spherical_mean([(-17, 179), (-17, -179)]), (-17.0025, -180), atol=1e-3)


def test_mean_round_a_pole_is_the_pole():
    assert spherical_mean([(80, 0), (80, 90), (80, 180), (80, -90)])[0] == pytest.approx(90, abs=1e-6)


@pytest.mark.parametrize("cancelling", [[(10, 20), (-10, -160)], [(90, 0), (-90, 0)], np.empty((0, 2))])
def test_points_that_cancel_have_no_mean(cancelling):
    with pytest.raises(ValueError, match=f"{len(cancelling)} points have no mean direction"):
        spherical_mean(cancelling)
