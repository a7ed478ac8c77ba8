"""Earlier systems without classes: the nearest photograph, the density of the nearest, and regression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.geodesy import EARTH_RADIUS_KM, destination, haversine_km, lat_lng_of, unit_vectors
from pigeon_training.study.baselines import medoid
from pigeon_training.study.earlier import neighbours, regression
from pigeon_training.study.earlier.im2gps import im2gps
from pigeon_training.study.earlier.neighbours import nearest
from pigeon_training.study.earlier.photographs import Photographs
from pigeon_training.study.earlier.regression import Regression, fit_map, moments_of
from pigeon_training.study.earlier.revisited_im2gps import RevisitedIm2gps

POINT = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
REVISITED = RevisitedIm2gps()


def photographs(embedding, lat_lng):
    return Photographs(np.array(embedding, np.float32), np.array(lat_lng, np.float64))


def at_angle(*degrees):
    """Return embeddings (N, 2) whose cosines to (1, 0) fall with their angle to it."""
    return np.array([(np.cos(np.radians(angle)), np.sin(np.radians(angle))) for angle in degrees], np.float32)


def sphere(count, seed):
    return lat_lng_of(np.random.default_rng(seed).normal(size=(count, 3)))


def noise(count, width, seed):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def test_the_nearer_of_two_photographs_answers():
    training = photographs(at_angle(10, 80), [(1, 2), (3, 4)])
    assert im2gps(training, training, at_angle(20)).tolist() == [[1, 2]]
    assert im2gps(training, training, at_angle(70)).tolist() == [[3, 4]]


def test_near_is_by_direction_and_not_by_length():
    training = photographs([(100.0, 0.0), (0.5, 0.5)], [(1, 2), (3, 4)])
    assert im2gps(training, training, np.array([(0.9, 0.1)], np.float32)).tolist() == [[1, 2]]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_neighbours_are_those_of_the_whole_matrix_whatever_the_chunk(chunk, monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    gallery, queries = noise(50, 8, 1), noise(20, 8, 2)
    unit = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (queries, gallery)]
    whole = ((unit[0][:, None] - unit[1][None]) ** 2).sum(axis=2)
    squared, row = nearest(queries, gallery, 9)
    np.testing.assert_array_equal(row, np.argsort(whole, axis=1)[:, :9])
    np.testing.assert_allclose(squared, np.sort(whole, axis=1)[:, :9], atol=1e-5)


def test_no_more_neighbours_than_photographs():
    squared, row = nearest(at_angle(0, 90), at_angle(1, 2, 3), 100)
    assert row.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert (np.diff(squared) > 0).all()


@pytest.mark.parametrize("chunk", [2, 100])
def test_of_equally_near_photographs_the_first_come_first(chunk, monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    assert nearest(at_angle(3), at_angle(10, 5, 5, 5, 5), 3)[1].tolist() == [[1, 2, 3]]


def test_embedding_without_direction_is_refused():
    with pytest.raises(InputError, match="expected embeddings of a positive length"):
        nearest(at_angle(0), np.zeros((3, 2), np.float32), 1)


def test_photographs_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"found \(2, 2\) and \(1, 2\)"):
        photographs(at_angle(1, 2), [(0, 0)])
    with pytest.raises(InputError, match="one photograph or more"):
        Photographs(np.empty((0, 4), np.float32), np.empty((0, 2)))


@pytest.fixture
def lonely_and_crowd():
    """Return a photograph most like a query at 0 degrees, alone, and five others in one region."""
    crowd = destination([(50.0, 179.9)] * 5, [0, 72, 144, 216, 288], 150.0)
    return photographs(at_angle(30, 31, 31.2, 31.4, 31.6, 31.8), [(-30.0, 20.0), *crowd])


def test_density_prefers_the_crowd_where_the_nearest_alone_does_not(lonely_and_crowd):
    query = at_angle(0)
    assert im2gps(lonely_and_crowd, lonely_and_crowd, query).tolist() == [[-30.0, 20.0]]
    answer = REVISITED(lonely_and_crowd, lonely_and_crowd, query)
    assert haversine_km(answer, (50.0, 179.9)).item() < 200  # across the antimeridian the crowd is one


def test_a_far_more_similar_photograph_outweighs_the_crowd(lonely_and_crowd):
    assert REVISITED(lonely_and_crowd, lonely_and_crowd, at_angle(20)).tolist() == [[-30.0, 20.0]]


def test_one_neighbour_is_the_first_system(lonely_and_crowd):
    training, queries = photographs(noise(40, 4, 3), sphere(40, 4)), noise(30, 4, 5)
    np.testing.assert_array_equal(
        RevisitedIm2gps(k=1)(training, training, queries), im2gps(training, training, queries)
    )


@given(st.lists(st.tuples(st.integers(-90, 90), st.integers(-180, 180), st.floats(0.01, 1)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_as_sigma_goes_to_nothing_the_heaviest_place_answers(rows):
    lat_lng, weight = np.array(rows)[:, :2], np.array(rows)[:, 2]
    heaviest = RevisitedIm2gps(sigma_deg=1e-6, reach_km=0.0).densest(lat_lng, weight)
    at_place = [weight[haversine_km(place, lat_lng) < 0.01].sum() for place in (heaviest, *lat_lng)]
    assert at_place[0] == pytest.approx(max(at_place))


@pytest.mark.parametrize(("apart_deg", "lng"), [(0.57 * 4, 0.0), (0.67 * 4, 90.0)])
def test_kernel_is_a_gaussian_of_four_degrees(apart_deg, lng):
    # Two places of weight 0.55, x sigma apart, outweigh one of weight 1 where 0.55 (1 + exp(-x^2 / 2)) > 1.
    lat_lng = np.array([(0.0, 90.0), (0.0, 0.0), (apart_deg, 0.0)])
    assert RevisitedIm2gps(reach_km=0.0).densest(lat_lng, np.array([1.0, 0.55, 0.55]))[1] == lng


@given(st.lists(st.tuples(POINT, st.floats(0.01, 1)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_answer_is_one_of_the_neighbours_and_no_mean_of_them(pairs):
    lat_lng, weight = np.array([point for point, _ in pairs]), np.array([heavy for _, heavy in pairs])
    assert REVISITED.densest(lat_lng, weight).tolist() in lat_lng.tolist()


@given(st.lists(POINT, min_size=2, max_size=6), st.floats(-180, 180))
@settings(max_examples=60, deadline=None)
def test_density_does_not_change_where_the_earth_is_turned(points, by_degrees):
    lat_lng, weight = np.array(points), np.linspace(1.0, 0.3, len(points))
    turned = lat_lng + np.array([0.0, by_degrees])
    exact = RevisitedIm2gps(reach_km=0.0)
    answer, again = exact.densest(lat_lng, weight), exact.densest(turned, weight) - (0.0, by_degrees)
    sigma_km = np.radians(4.0) * EARTH_RADIUS_KM
    density = [np.exp(-0.5 * (haversine_km(one, lat_lng) / sigma_km) ** 2) @ weight for one in (answer, again)]
    assert density[1] == pytest.approx(density[0], rel=1e-6)  # the same place, or another just as dense


def test_three_around_a_pole_are_denser_than_two_apart():
    pole = [(89.5, 0.0), (89.5, 120.0), (89.5, -120.0)]
    lat_lng, weight = np.array([(0.0, 0.0), (0.0, 30.0), *pole]), np.ones(5)
    assert REVISITED.densest(lat_lng, weight)[0] == 89.5


def test_of_neighbours_near_the_mode_the_most_similar_answers():
    lat_lng = np.array([(0.0, 0.5), (0.0, 0.0), (0.1, 0.0), (-0.1, 0.0)])
    weight = np.array([0.3, 0.1, 0.1, 0.1])
    assert RevisitedIm2gps(sigma_deg=0.1, reach_km=0.0).densest(lat_lng, weight).tolist() == [0.0, 0.5]
    light = np.array([0.15, 0.1, 0.1, 0.1])
    assert RevisitedIm2gps(sigma_deg=0.1, reach_km=0.0).densest(lat_lng, light).tolist() == [0.0, 0.0]
    assert RevisitedIm2gps(sigma_deg=0.1, reach_km=100.0).densest(lat_lng, light).tolist() == [0.0, 0.5]


def test_query_that_is_in_the_gallery_answers_with_its_own_place(lonely_and_crowd):
    for number in range(6):
        answer = REVISITED(lonely_and_crowd, lonely_and_crowd, lonely_and_crowd.embedding[number : number + 1])
        assert haversine_km(answer, lonely_and_crowd.lat_lng[number]).item() < 300
    training = photographs(noise(40, 8, 6), sphere(40, 7))
    np.testing.assert_array_equal(REVISITED(training, training, training.embedding), training.lat_lng)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"sigma_deg": 0.0}, {"power": -1.0}, {"reach_km": -1.0}])
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError, match="expected k of 1 or more, a positive sigma"):
        RevisitedIm2gps(**wrong)


@pytest.mark.parametrize("chunk", [64, 10_000])
def test_regression_recovers_a_linear_map_over_the_whole_sphere(chunk, monkeypatch):
    monkeypatch.setattr(regression, "CHUNK", chunk)
    rotation = np.linalg.qr(noise(3, 3, 8))[0].astype(np.float64)
    places = [sphere(count, seed) for count, seed in ((300, 9), (60, 10), (100, 11))]
    embeddings = [np.hstack([unit_vectors(place) @ rotation * 5 + 2, noise(len(place), 4, 12)]) for place in places]
    training, validation, asked = (photographs(*pair) for pair in zip(embeddings, places, strict=True))
    errors = haversine_km(Regression((1e-6,))(training, validation, asked.embedding), asked.lat_lng)
    assert errors.max() < 5.0


def test_regression_points_across_the_antimeridian():
    lng = np.linspace(170.0, 190.0, 21)
    places = np.stack([np.zeros(21), lng], axis=1)
    training = photographs(np.stack([lng - 180.0, np.ones(21)], axis=1), places)
    answer = Regression()(training, training, np.array([(0.0, 1.0), (8.0, 1.0)], np.float32))
    assert haversine_km(answer, [(0.0, 180.0), (0.0, -172.0)]).max() < 20
    assert (np.abs(answer[:, 1]) > 170).all()


def test_of_two_penalties_the_validation_photographs_choose():
    places = sphere(60, 13)
    training = photographs(unit_vectors(places) + noise(60, 3, 14) * 0.01, places)
    far = Regression((1e4,))(training, training, training.embedding)
    near = Regression((1e-4,))(training, training, training.embedding)
    assert np.median(haversine_km(near, places)) < np.median(haversine_km(far, places))
    np.testing.assert_array_equal(Regression((1e4, 1e-4))(training, training, training.embedding), near)


def test_prediction_of_no_direction_is_the_medoid():
    places = np.array([(0.0, 10.0), (0.0, -170.0), (0.0, 10.0), (0.0, -170.0), (90.0, 0.0), (-90.0, 0.0)])
    training = photographs(np.ones((6, 3)), places)  # the mean of all is the middle of the earth
    answer = Regression()(training, training, np.ones((2, 3), np.float32))
    assert answer.tolist() == [medoid(places).tolist()] * 2
    assert answer.tolist() != [[0.0, 0.0]] * 2


def test_embeddings_that_never_vary_answer_with_the_mean_direction():
    training = photographs(np.ones((2, 3)), [(0.0, 170.0), (0.0, -170.0)])
    answer = Regression()(training, training, np.ones((1, 3), np.float32))
    assert haversine_km(answer, (0.0, 180.0)).item() < 1e-6


def test_more_penalty_means_smaller_coefficients():
    moments = moments_of(photographs(noise(100, 6, 15), sphere(100, 16)))
    sizes = [np.linalg.norm(fit_map(moments, penalty).coefficients) for penalty in (1e-3, 1.0, 1e3)]
    assert sizes[0] > sizes[1] > sizes[2]
