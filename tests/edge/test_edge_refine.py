from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_edge.bundle.gallery_writer import Clusters, build_index
from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.retrieval.gallery import Gallery
from pigeon_edge.retrieval.gated import GatedRefinement
from pigeon_edge.retrieval.published import NO_LIMIT_KM, PUBLISHED, PaperRefinement, on_unit_scale, reweigh
from pigeon_edge.retrieval.refine import read_refinement, refine

CENTROIDS = np.array([[10.0, 10.0], [11.0, 12.0], [50.0, 60.0]])
SURE = np.array([0.9, 0.06, 0.04])
ANY_MOVE = PaperRefinement(max_move_km=1e9)
"""So that no guard can hide a wrong point."""


class Shelf:
    """A gallery of one photograph a cluster, one cluster a cell; ``None`` is an empty cell."""

    def __init__(self, distances, points):
        self.distances, self.points = distances, points

    def nearest_clusters(self, embedding, cells, count):
        assert count == 1
        clusters = [-1 if self.points[cell] is None else int(cell) for cell in cells]
        distances = [np.inf if self.points[cell] is None else self.distances[cell] for cell in cells]
        return np.array(clusters, np.int64)[:, None], np.array(distances, np.float32)[:, None]

    def nearest_photographs(self, embedding, clusters, count):
        assert count == 1
        return clusters[:, None], np.where(clusters >= 0, 0.0, np.inf)[:, None]

    def lat_lng(self, rows):
        return np.array([self.points[row] for row in rows], np.float64).reshape(-1, 2)


def _unit(*angles_deg):
    radians = np.radians(angles_deg)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def _gallery(angles_deg, clusters, offsets, lat_lng):
    index = build_index(_unit(*angles_deg), Clusters(np.array(clusters), np.array(offsets)))
    return Gallery(index, np.array(offsets), np.array(lat_lng, np.float32))


@pytest.mark.parametrize(("looks_deg", "near", "far"), [(2, 0, 1), (38, 1, 0)])
def test_the_nearest_photograph_answers_and_not_the_farthest(looks_deg, near, far):
    gallery = _gallery([0, 40], [0, 0], [0, 1], [[10.5, 10], [11.5, 10]])
    found = refine(_unit(looks_deg)[0], np.array([1.0]), CENTROIDS[:1], gallery, PaperRefinement())
    assert found.photographs[0] == near
    assert found.photographs[0] != far
    np.testing.assert_allclose(found.lat_lng[0], [[10.5, 10], [11.5, 10]][near])


@pytest.mark.parametrize(("looks_deg", "cluster"), [(5, 0), (85, 1)])
def test_the_nearest_prototype_answers_and_not_the_farthest(looks_deg, cluster):
    gallery = _gallery([0, 10, 80, 90], [0, 0, 1, 1], [0, 2], [[10, 10], [10, 11], [10, 12], [10, 13]])
    clusters, distances = gallery.nearest_clusters(_unit(looks_deg)[0], np.array([0]), 1)
    assert clusters[0, 0] == cluster
    assert distances[0, 0] == pytest.approx(0, abs=1e-3)  # the prototypes lie at 5 and 85 degrees


def test_distance_to_a_prototype_is_euclidean_between_unit_vectors():
    gallery = _gallery([0, 180], [0, 1], [0, 1, 2], [[10, 10], [10, 11]])
    _, distances = gallery.nearest_clusters(_unit(90)[0], np.array([0, 1]), 1)
    np.testing.assert_allclose(distances[:, 0], np.sqrt(2), rtol=1e-5)


def test_probability_and_nearness_are_weighed_by_hand_numbers():
    # 0.6 e^-2 against 0.3 e^-1 against 0.1 e^0: 0.0812 : 0.1104 : 0.1
    found = reweigh(np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.1, 0.0], np.float32), 0.1)
    np.testing.assert_allclose(found, [0.2785, 0.3785, 0.3430], atol=1e-4)


def test_a_near_prototype_turns_the_order_of_two_cells():
    shelf = Shelf([0.5, 0.1, 0.9], [(10.1, 10.1), (11.1, 12.1), (50, 60)])
    found = refine(_unit(0)[0], np.array([0.5, 0.4, 0.1]), CENTROIDS, shelf, PaperRefinement(top_k=2))
    assert found.cells.tolist() == [1, 0]
    np.testing.assert_allclose(found.lat_lng, [(11.1, 12.1), (10.1, 10.1)])
    np.testing.assert_array_equal(found.points, found.lat_lng)
    np.testing.assert_array_equal(found.weights, found.probability)
    assert found.moved_km == pytest.approx(haversine_km((11.1, 12.1), CENTROIDS[1]))


def test_an_empty_cell_answers_with_its_centroid_and_never_0_0():
    shelf = Shelf([0, 0.1, 0.2], [None, (11.1, 12.1), (50, 60)])
    found = refine(_unit(0)[0], SURE, CENTROIDS, shelf, ANY_MOVE)
    assert (found.cells[0], found.photographs[0], found.moved_km) == (0, -1, 0.0)
    np.testing.assert_array_equal(found.lat_lng[0], CENTROIDS[0])


def test_an_empty_cell_gains_nothing_over_a_cell_with_photographs():
    found = reweigh(np.array([0.5, 0.5]), np.array([np.inf, 0.3], np.float32), 0.1)
    np.testing.assert_allclose(found, [0.5, 0.5])
    found = reweigh(np.array([0.4, 0.3, 0.3]), np.array([np.inf, 0.3, 0.1], np.float32), 0.1)
    assert found[2] > found[0] > found[1]


def test_all_cells_empty_gives_the_posterior_and_the_centroids():
    found = refine(_unit(0)[0], SURE, CENTROIDS, Shelf([0] * 3, [None] * 3), ANY_MOVE)
    np.testing.assert_allclose(found.probability, SURE)
    np.testing.assert_array_equal(found.lat_lng, CENTROIDS)
    assert found.photographs.tolist() == [-1, -1, -1]


def test_too_far_a_move_is_cancelled_and_a_shorter_one_is_not():
    shelf = Shelf([0.1, 0.5, 0.5], [(10.0, 19.0), (11, 12), (50, 60)])  # 985 km east
    near = refine(_unit(0)[0], SURE, CENTROIDS, shelf, PaperRefinement(max_move_km=1000))
    assert near.photographs[0] == 0
    assert near.moved_km == pytest.approx(985.5, abs=0.5)
    far = refine(_unit(0)[0], SURE, CENTROIDS, shelf, PaperRefinement(max_move_km=900))
    assert (far.photographs.tolist(), far.moved_km) == ([-1, -1, -1], 0.0)
    np.testing.assert_array_equal(far.lat_lng, CENTROIDS)
    np.testing.assert_allclose(far.probability, SURE)


def test_a_move_across_the_antimeridian_is_short():
    shelf = Shelf([0.1], [(-17.0, -179.5)])
    found = refine(_unit(0)[0], np.array([1.0]), np.array([[-17.0, 179.5]]), shelf, PaperRefinement())
    assert found.moved_km == pytest.approx(106.336, abs=0.01)


def test_fewer_cells_than_top_k_are_all_considered():
    shelf = Shelf([0.1, 0.1, 0.1], [tuple(point) for point in CENTROIDS])
    assert len(refine(_unit(0)[0], SURE, CENTROIDS, shelf, PaperRefinement(top_k=9)).cells) == 3


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 2) | st.just(np.inf)), min_size=1, max_size=6),
    st.sampled_from([1e-4, 0.01, 0.1, 10.0]),
)
def test_probabilities_sum_to_1_even_where_they_vanish(pairs, temperature):
    probability, distance = np.array(pairs).T
    probability = (probability + (probability.sum() == 0)) / (probability + (probability.sum() == 0)).sum()
    found = reweigh(probability, distance.astype(np.float32), temperature)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


def test_a_near_prototype_of_an_impossible_cell_does_not_silence_the_others():
    found = reweigh(np.array([1.0, 0.0]), np.array([1.0, 0.0], np.float32), 0.001)
    np.testing.assert_array_equal(found, [1, 0])


@pytest.mark.parametrize("wrong", [{"top_k": 0}, {"temperature": 0.0}, {"max_move_km": -1.0}])
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError, match="refinement needs top_k >= 1"):
        PaperRefinement(**wrong)


def test_published_values_are_those_of_the_paper():
    assert PUBLISHED["pigeon"] == PaperRefinement(top_k=5, temperature=1.6, max_move_km=1000.0)
    assert PUBLISHED["pigeotto"] == PaperRefinement(top_k=40, temperature=0.6, max_move_km=NO_LIMIT_KM)
    assert haversine_km((0, 0), (0, 180)) < NO_LIMIT_KM


def test_published_temperature_weighs_unit_embeddings_as_it_weighs_raw_ones():
    raw, prototypes = np.array([[3.0, 4.0]], np.float32), np.array([[5.0, 0.0], [0.0, -5.0]], np.float32)
    scaled = on_unit_scale(PUBLISHED["pigeotto"], raw)
    assert (scaled.top_k, scaled.temperature) == (40, pytest.approx(0.12))
    even = np.array([0.5, 0.5])
    weights = [
        reweigh(even, np.linalg.norm(prototypes / length - raw / length, axis=1), settings.temperature)
        for length, settings in ((1, PUBLISHED["pigeotto"]), (5, scaled))
    ]
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5)
    assert weights[0][0] > 0.99


@pytest.mark.parametrize("settings", [PaperRefinement(top_k=7), GatedRefinement(score_km=300.0)])
def test_settings_are_read_as_the_kind_whose_keys_they_have(settings):
    assert read_refinement(vars(settings)) == settings


def test_gated_settings_without_searched_clusters_are_those_of_the_first_bundles():
    told = {name: value for name, value in vars(GatedRefinement(clusters=3)).items() if name != "searched_clusters"}
    assert read_refinement(told) == GatedRefinement(clusters=3)


@pytest.mark.parametrize("wrong", [{}, {"top_k": 5}, vars(PaperRefinement()) | {"neighbours": 3}])
def test_settings_of_neither_kind_are_refused(wrong):
    with pytest.raises(UsageError, match=r"expected the keys of PaperRefinement or GatedRefinement, found \["):
        read_refinement(wrong)
