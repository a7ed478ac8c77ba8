"""Refinement by gated cells and expected score, on galleries whose embeddings are angles in a plane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_edge.bundle.format import open_bundle, seal
from pigeon_edge.bundle.gallery_writer import Clusters, build_index, write_gallery
from pigeon_edge.bundle.parts import open_gallery
from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.retrieval.gallery import Gallery
from pigeon_edge.retrieval.gated import GatedRefinement, expected_score, gate, largest
from pigeon_edge.retrieval.published import PaperRefinement
from pigeon_edge.retrieval.refine import refine
from pigeon_edge.testing import TINY_CENTROIDS

CENTROIDS = np.array([[10.0, 10.0], [11.0, 12.0], [50.0, 60.0]])
ALL_CELLS = GatedRefinement(posterior_mass=1.0)
NEAREST = GatedRefinement(posterior_mass=1.0, neighbours=1)


def _unit(*angles_deg):
    radians = np.radians(angles_deg)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def _gallery(angles_deg, clusters, offsets, lat_lng):
    clusters = Clusters(np.array(clusters, np.int64), np.array(offsets))
    index = build_index(_unit(*angles_deg), clusters)
    return Gallery(index, clusters.cell_offsets, np.array(lat_lng, np.float32).reshape(-1, 2))


@pytest.mark.parametrize(("looks_deg", "near"), [(2, 0), (38, 1)])
def test_of_one_neighbour_the_nearest_photograph_answers_and_not_the_farthest(looks_deg, near):
    gallery = _gallery([0, 40], [0, 0], [0, 1], [[10.5, 10], [11.5, 10]])
    found = refine(_unit(looks_deg)[0], np.array([1.0]), CENTROIDS[:1], gallery, NEAREST)
    assert found.photographs.tolist() == [near]
    np.testing.assert_allclose(found.lat_lng[0], [[10.5, 10], [11.5, 10]][near])


def test_a_lone_twin_loses_to_several_that_agree_unless_one_neighbour_counts():
    """The nearest photograph lies 1,000 km from three others that look nearly the same."""
    places = [[0.0, 9.0], [0.0, 0.0], [0.0, 0.1], [0.1, 0.05]]
    gallery = _gallery([0, 1, 1.5, 2], [0, 1, 1, 1], [0, 2], places)
    centroid = np.array([[1.0, 3.0]])
    assert refine(_unit(0)[0], np.array([1.0]), centroid, gallery, NEAREST).photographs.tolist() == [0]
    agreed = refine(_unit(0)[0], np.array([1.0]), centroid, gallery, ALL_CELLS)
    assert agreed.photographs[0] in (1, 2, 3)
    sharp = GatedRefinement(temperature=1e-5)
    assert refine(_unit(0)[0], np.array([1.0]), centroid, gallery, sharp).photographs.tolist() == [0]


def test_expected_score_by_hand_numbers():
    """Two points 111.19 km apart at a scale of as much: e^-1 for the other one."""
    apart_km = float(haversine_km((0, 0), (0, 1)))
    found = expected_score(np.array([[0.0, 0.0], [0.0, 1.0]]), np.array([0.75, 0.25]), apart_km)
    np.testing.assert_allclose(found, [0.75 + 0.25 / np.e, 0.25 + 0.75 / np.e])


def test_expected_score_is_a_medoid_that_knows_the_antimeridian():
    points = np.array([[0.0, 179.0], [0.0, -179.5], [0.0, -178.0], [0.0, 0.0]])
    assert expected_score(points, np.full(4, 0.25), 1000.0).argmax() == 1


def test_probability_of_a_cell_is_the_weight_of_its_photographs():
    gallery = _gallery([10, 20, 20], [0, 1, 1], [0, 1, 2], [[10, 10], [11, 12], [11, 12.1]])
    settings = GatedRefinement(posterior_mass=1.0, temperature=0.1)
    found = refine(_unit(10)[0], np.array([0.4, 0.6]), CENTROIDS[:2], gallery, settings)
    weights = np.array([0.4, 0.6 * 2 * np.exp((np.cos(np.radians(10)) - 1) / 0.1)])
    assert found.cells.tolist() == [1, 0]
    np.testing.assert_allclose(found.probability, np.sort(weights / weights.sum())[::-1], atol=0.005)  # 8-bit codes
    assert found.photographs[0] in (1, 2)
    assert found.photographs[1] == 0


def test_gate_takes_the_fewest_cells_that_hold_the_mass():
    posterior = np.array([0.1, 0.5, 0.0, 0.3, 0.1])
    assert gate(posterior, 0.4, 9).tolist() == [1]
    assert gate(posterior, 0.8, 9).tolist() == [1, 3]
    assert gate(posterior, 0.81, 9).tolist() == [1, 3, 0]
    assert gate(posterior, 1.0, 9).tolist() == [1, 3, 0, 4]  # never a cell of no probability
    assert gate(posterior, 0.99, 2).tolist() == [1, 3]


def test_a_cell_behind_the_gate_is_not_searched():
    gallery = _gallery([40, 0], [0, 1], [0, 1, 2], [[10, 10], [11, 12]])
    sure = np.array([0.995, 0.005])
    assert refine(_unit(0)[0], sure, CENTROIDS[:2], gallery, GatedRefinement()).cells.tolist() == [0]
    assert refine(_unit(0)[0], sure, CENTROIDS[:2], gallery, ALL_CELLS).cells[0] == 1


def test_clusters_bound_what_is_searched_in_a_cell():
    gallery = _gallery([0, 30, 60], [0, 1, 2], [0, 3], [[10, 10], [10, 11], [10, 12]])
    one = GatedRefinement(clusters=1, temperature=10.0)
    assert refine(_unit(58)[0], np.array([1.0]), CENTROIDS[:1], gallery, one).photographs.tolist() == [2]
    all_three = GatedRefinement(clusters=3, temperature=10.0)
    assert refine(_unit(58)[0], np.array([1.0]), CENTROIDS[:1], gallery, all_three).photographs.tolist() == [1]


def test_the_clusters_searched_are_those_whose_prototypes_weigh_most_with_the_probability_of_their_cells():
    """Prototypes at 0 and 25 degrees; at a temperature of 0.05 a look at 10 degrees weighs them 0.38 nats apart."""
    gallery = _gallery([0, 25], [0, 1], [0, 1, 2], [[10, 10], [11, 12]])
    one = GatedRefinement(posterior_mass=1.0, searched_clusters=1, temperature=0.05)
    near = refine(_unit(10)[0], np.array([0.45, 0.55]), CENTROIDS[:2], gallery, one)  # log(0.55 / 0.45) is 0.2
    assert (near.cells.tolist(), near.photographs.tolist()) == ([0], [0])
    far = refine(_unit(10)[0], np.array([0.25, 0.75]), CENTROIDS[:2], gallery, one)  # and log 3 is 1.1
    assert (far.cells.tolist(), far.photographs.tolist()) == ([1], [1])


def test_a_cell_whose_clusters_are_not_searched_is_no_empty_cell():
    gallery = _gallery([0, 90], [0, 1], [0, 1, 2, 2], [[10, 10], [11, 12]])
    one = GatedRefinement(posterior_mass=1.0, searched_clusters=1)
    found = refine(_unit(0)[0], np.array([0.4, 0.4, 0.2]), CENTROIDS, gallery, one)
    assert (found.cells.tolist(), found.photographs.tolist()) == ([0, 2], [0, -1])


@given(st.integers(0, 10_000))
def test_searching_every_cluster_is_the_limit_of_searching_more(seed):
    rng = np.random.default_rng(seed)
    cluster = np.arange(60) % 12
    gallery = _gallery(rng.uniform(0, 360, 60), cluster, [0, 4, 8, 12], rng.uniform((-80, -180), (80, 180), (60, 2)))
    look, posterior = _unit(rng.uniform(0, 360))[0], rng.dirichlet(np.ones(3))
    every, twelve = (
        refine(look, posterior, CENTROIDS, gallery, GatedRefinement(posterior_mass=1.0, searched_clusters=count))
        for count in (1000, 12)
    )
    np.testing.assert_array_equal(every.weights, twelve.weights)
    np.testing.assert_array_equal(every.photographs, twelve.photographs)


def test_largest_of_equal_values_are_the_first_and_count_may_be_more_than_there_are():
    value = np.array([1.0, 3.0, 2.0, 3.0, 2.0, 2.0])
    assert largest(value, 4).tolist() == [1, 3, 2, 4]
    assert largest(value, 9).tolist() == [1, 3, 2, 4, 5, 0]
    assert largest(np.empty(0), 3).tolist() == []


def test_an_empty_cell_answers_with_its_centroid_and_never_0_0():
    gallery = _gallery([0], [0], [0, 0, 1, 1], [[11.1, 12.1]])
    found = refine(_unit(0)[0], np.array([0.9, 0.06, 0.04]), CENTROIDS, gallery, ALL_CELLS)
    assert (found.cells.tolist(), found.photographs.tolist(), found.moved_km) == ([0, 1, 2], [-1, 0, -1], 0.0)
    np.testing.assert_allclose(found.probability, [0.9, 0.06, 0.04], atol=1e-6)
    np.testing.assert_allclose(found.lat_lng, [CENTROIDS[0], [11.1, 12.1], CENTROIDS[2]], atol=1e-5)


def test_all_cells_empty_gives_the_posterior_and_the_centroids():
    gallery = _gallery([], [], [0, 0, 0, 0], [])
    found = refine(_unit(0)[0], np.array([0.2, 0.7, 0.1]), CENTROIDS, gallery, ALL_CELLS)
    assert found.cells.tolist() == [1, 0, 2]
    np.testing.assert_allclose(found.probability, [0.7, 0.2, 0.1])
    np.testing.assert_array_equal(found.lat_lng, CENTROIDS[[1, 0, 2]])
    assert found.photographs.tolist() == [-1, -1, -1]


def test_all_that_was_weighed_is_told():
    gallery = _gallery([0, 2, 40], [0, 0, 1], [0, 1, 2, 2], [[10.5, 10.5], [10.6, 10.6], [11.1, 12.1]])
    found = refine(_unit(1)[0], np.array([0.5, 0.3, 0.2]), CENTROIDS, gallery, ALL_CELLS)
    assert {tuple(point) for point in found.points.round(3)} == {(10.5, 10.5), (10.6, 10.6), (11.1, 12.1), (50.0, 60.0)}
    assert found.weights.sum() == pytest.approx(1)
    for number, cell in enumerate(found.cells):  # the probability of a cell is what its points weigh
        own = haversine_km(found.points, CENTROIDS[cell]) < 100
        assert found.weights[own].sum() == pytest.approx(found.probability[number])


def test_a_cell_of_empty_clusters_alone_is_an_empty_cell():
    gallery = _gallery([0], [2], [0, 2, 3], [[11.1, 12.1]])
    found = refine(_unit(0)[0], np.array([1.0, 0.0]), CENTROIDS[:2], gallery, GatedRefinement())
    assert (found.cells.tolist(), found.photographs.tolist()) == ([0], [-1])
    np.testing.assert_array_equal(found.lat_lng, CENTROIDS[:1])


def test_one_photograph_a_cell():
    gallery = _gallery([0, 90], [0, 1], [0, 1, 2], [[10.1, 10], [11.1, 12]])
    found = refine(_unit(90)[0], np.array([0.6, 0.4]), CENTROIDS[:2], gallery, ALL_CELLS)
    assert (found.cells.tolist(), found.photographs.tolist()) == ([1, 0], [1, 0])
    assert found.moved_km == pytest.approx(float(haversine_km((11.1, 12), CENTROIDS[1])), abs=1e-2)


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 32]), st.sampled_from([1e-4, 0.005, 1.0]))
def test_candidates_are_sorted_and_lie_in_their_own_cell(seed, neighbours, temperature):
    rng = np.random.default_rng(seed)
    cluster = np.sort(rng.integers(0, 6, 30))  # some clusters are empty; so is the third of four cells
    lat_lng = rng.uniform((-80, -180), (80, 180), (30, 2))
    offsets = np.array([0, 2, 4, 4, 6])
    gallery = _gallery(rng.uniform(0, 360, 30), cluster, offsets, lat_lng)
    posterior = rng.dirichlet(np.full(4, 0.3))
    centroids = rng.uniform((-80, -180), (80, 180), (4, 2))
    settings = GatedRefinement(neighbours=neighbours, temperature=temperature)
    query = _unit(rng.uniform(0, 360))[0]
    found = refine(query, posterior, centroids, gallery, settings)
    again = refine(query, posterior, centroids, gallery, settings)
    assert found.probability.sum() == pytest.approx(1)
    assert (np.diff(found.probability) <= 0).all()
    assert set(found.cells) <= set(gate(posterior, 0.99, 40))
    for cell, row, point in zip(found.cells, found.photographs, found.lat_lng, strict=True):
        expected = centroids[cell] if row < 0 else lat_lng[row]
        np.testing.assert_allclose(point, expected, atol=1e-4)
        assert row < 0 or offsets[cell] <= cluster[row] < offsets[cell + 1]
    np.testing.assert_array_equal(found.lat_lng, again.lat_lng)


def test_a_gallery_in_memory_answers_as_the_one_that_is_written_and_mapped(own):
    """What an ablation on cached embeddings does: no bundle, the same answers."""
    rng = np.random.default_rng(3)
    embedding = rng.normal(size=(60, 3)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    clusters = Clusters(np.arange(60) % 3, np.array([0, 1, 2, 3]))
    lat_lng = TINY_CENTROIDS[clusters.of_photograph] + rng.normal(size=(60, 2))
    memory = Gallery(build_index(embedding, clusters), clusters.cell_offsets, lat_lng)
    write_gallery(own.path / "gallery", embedding, lat_lng, clusters)
    seal(own.path, type(own.description)(**{**vars(own.description), "photographs": 60}))
    mapped = open_gallery(open_bundle(own.path))
    for settings in (GatedRefinement(), PaperRefinement(top_k=3, max_move_km=1e9)):
        for query in embedding[:20]:
            one, other = (
                refine(query, np.array([0.5, 0.3, 0.2]), TINY_CENTROIDS, g, settings) for g in (memory, mapped)
            )
            assert one.photographs.tolist() == other.photographs.tolist()
            np.testing.assert_allclose(one.probability, other.probability, rtol=1e-4)
            np.testing.assert_allclose(one.lat_lng, other.lat_lng, atol=1e-4)


def test_a_bundle_keeps_gated_settings(own):
    settings = GatedRefinement(neighbours=8, score_km=250.0)
    seal(own.path, type(own.description)(**{**vars(own.description), "refinement": settings}))
    assert open_bundle(own.path).description.refinement == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"posterior_mass": 0.0}, {"posterior_mass": 1.1}, {"max_cells": 0}, {"clusters": 0}, {"neighbours": 0},
        {"searched_clusters": 0}, {"temperature": 0.0}, {"score_km": 0.0},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError, match="refinement needs 0 < posterior_mass <= 1, max_cells"):
        GatedRefinement(**wrong)
