"""Which photographs of a geocell share a prototype."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeon_edge.geodesy import destination, haversine_km, unit_vectors
from pigeon_training.cells import location_clusters
from pigeon_training.cells.location_clusters import cluster, clusters_of_cell
from pigeon_training.presets import LOCATION_PRESETS, LocationPreset

TOY = LOCATION_PRESETS["toy"]


def towns(middles, count, spread_km, seed=0):
    """Return (N, 2) places around the middle of each town."""
    rng = np.random.default_rng(seed)
    return np.vstack(
        [destination(at, rng.uniform(0, 360, count), np.abs(rng.normal(0, spread_km, count))) for at in middles]
    )


def in_one_cell(lat_lng, preset=TOY):
    return cluster(np.asarray(lat_lng, float), np.zeros(len(lat_lng), np.int64), 1, preset).of_photograph


@pytest.fixture
def photographs():
    rng = np.random.default_rng(4)
    lat_lng = np.column_stack([rng.uniform(40, 43, 300), rng.uniform(-1, 3, 300)])
    return lat_lng, rng.integers(0, 6, 300) // 2 * 2  # cells 0, 2, 4 of 6


def test_published_settings():
    assert (LOCATION_PRESETS["pigeon"].min_samples, LOCATION_PRESETS["pigeon"].xi) == (3, 0.15)
    assert (LOCATION_PRESETS["pigeotto"].min_samples, LOCATION_PRESETS["pigeotto"].xi) == (100, 0.1)


def test_every_photograph_is_in_a_cluster_of_its_own_cell(photographs):
    lat_lng, cell = photographs
    found = cluster(lat_lng, cell, 6, TOY)
    first, last = found.cell_offsets[cell], found.cell_offsets[cell + 1]
    assert found.of_photograph.shape == (300,)
    assert ((first <= found.of_photograph) & (found.of_photograph < last)).all()


def test_clusters_are_sorted_by_cell_and_none_is_empty(photographs):
    found = cluster(*photographs, 6, TOY)
    assert found.cell_offsets[0] == 0
    assert (np.diff(found.cell_offsets) >= 0).all()
    assert np.diff(found.cell_offsets)[1::2].tolist() == [0, 0, 0]
    assert sorted(set(found.of_photograph.tolist())) == list(range(found.cell_offsets[-1]))


def test_no_photographs_are_no_clusters():
    found = cluster(np.empty((0, 2)), np.empty(0, np.int64), 3, TOY)
    assert (found.of_photograph.tolist(), found.cell_offsets.tolist()) == ([], [0, 0, 0, 0])


def test_towns_are_clusters_one_of_them_across_the_antimeridian():
    middles = ((10, 20), (12, 20), (10, 179.99))
    found = in_one_cell(towns(middles, 30, 1.0), LocationPreset(5, 0.05))
    for number in range(3):
        others = np.delete(found, np.s_[30 * number : 30 * number + 30])
        own = found[30 * number : 30 * number + 30]
        assert not set(own) & set(others)
        assert np.bincount(own).max() >= 6


def test_fewer_places_than_min_samples_are_one_cluster_however_far_apart():
    lat_lng = [(0, 0), (40, 90)]
    assert in_one_cell(lat_lng, LocationPreset(3, 0.15)).tolist() == [0, 0]
    assert in_one_cell(lat_lng, LocationPreset(2, 0.15)).tolist() == [0, 1]


def test_noise_joins_a_cluster_within_reach_and_else_keeps_one_of_its_own():
    town = towns([(10, 20)], 40, 0.2)
    near, far, beside_far = destination((10, 20), 90, 9.0), (11.0, 20.0), (11.0, 20.05)
    lat_lng = np.vstack([town, near, far, beside_far])
    found = in_one_cell(lat_lng, LocationPreset(5, 0.05, reach_km=15.0))
    assert found[40] in found[:40]
    assert found[41] == found[42]
    assert found[41] not in found[:41]
    apart = in_one_cell(lat_lng, LocationPreset(5, 0.05, reach_km=1.0))
    assert len({int(number) for number in apart[40:]} | {int(apart[0])}) == 4


def test_views_of_one_place_share_a_cluster_and_are_no_neighbours_of_each_other():
    lat_lng = np.repeat(towns([(10, 20)], 12, 3.0), 4, axis=0)
    found = in_one_cell(lat_lng).reshape(12, 4)
    assert (found == found[:, :1]).all()
    np.testing.assert_array_equal(found[:, 0], in_one_cell(lat_lng[::4]))


def test_a_heap_at_one_coordinate_is_one_cluster_however_large():
    assert set(in_one_cell(np.tile([(10.0, 20.0)], (5000, 1))).tolist()) == {0}


def test_near_places_of_two_cells_never_share_a_cluster():
    found = cluster(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([1, 0]), 2, TOY)
    assert found.of_photograph.tolist() == [1, 0]


def test_one_photograph_a_cell():
    found = cluster(np.array([[1.0, 2.0], [50.0, 60.0]]), np.array([2, 0]), 3, TOY)
    assert (found.of_photograph.tolist(), found.cell_offsets.tolist()) == ([1, 0], [0, 1, 1, 2])


def test_order_of_the_photographs_decides_nothing(photographs):
    lat_lng, cell = photographs
    shuffled = np.random.default_rng(1).permutation(300)
    one, other = cluster(lat_lng, cell, 6, TOY), cluster(lat_lng[shuffled], cell[shuffled], 6, TOY)
    np.testing.assert_array_equal(one.of_photograph[shuffled], other.of_photograph)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from([2, 3, 10]), st.sampled_from([0.0, 15.0, 30_000.0]))
def test_a_partition_for_any_photographs(seed, count, min_samples, reach_km):
    rng = np.random.default_rng(seed)
    lat_lng = rng.uniform((-90, -180), (90, 180), (count, 2)).round(rng.integers(-1, 3))
    cell = rng.integers(0, 3, count)
    found = cluster(lat_lng, cell, 3, LocationPreset(min_samples, 0.15, reach_km))
    assert sorted(set(found.of_photograph.tolist())) == list(range(found.cell_offsets[-1]))
    assert all(len(set(cell[found.of_photograph == number])) == 1 for number in range(found.cell_offsets[-1]))


def test_a_large_cell_is_looked_at_in_parts_of_bounded_memory(monkeypatch):
    monkeypatch.setattr(location_clusters, "MOST_AT_ONCE", 200)
    lat_lng = np.random.default_rng(2).uniform((40, 0), (44, 8), (6000, 2))
    vectors = unit_vectors(lat_lng)
    tracemalloc.start()
    found = clusters_of_cell(vectors, TOY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000**2 * 8 / 20  # a table of all distances would be twenty times as large
    assert sorted(set(found.tolist())) == list(range(found.max() + 1))
    beside = [haversine_km(lat_lng[found == k], lat_lng[found == k][0]).max() for k in range(50)]
    assert max(beside) < 100
