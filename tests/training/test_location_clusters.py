"""Which photographs of a geocell share a prototype."""

from __future__ import annotations

import numpy as np
import pytest

from pigeon_edge.geodesy import haversine_km
from pigeon_training.location_clusters import cluster

REACH_KM = 60.0


@pytest.fixture
def photographs():
    rng = np.random.default_rng(4)
    lat_lng = np.column_stack([rng.uniform(40, 43, 300), rng.uniform(-1, 3, 300)])
    return lat_lng, rng.integers(0, 6, 300) // 2 * 2  # cells 0, 2, 4 of 6


def test_every_photograph_is_in_a_cluster_of_its_own_cell(photographs):
    lat_lng, cell = photographs
    found = cluster(lat_lng, cell, 6, REACH_KM)
    first, last = found.cell_offsets[cell], found.cell_offsets[cell + 1]
    assert found.of_photograph.shape == (300,)
    assert ((first <= found.of_photograph) & (found.of_photograph < last)).all()


def test_clusters_are_sorted_by_cell_and_none_is_empty(photographs):
    found = cluster(*photographs, 6, REACH_KM)
    assert found.cell_offsets[0] == 0
    assert (np.diff(found.cell_offsets) >= 0).all()
    assert np.diff(found.cell_offsets)[1::2].tolist() == [0, 0, 0]
    assert sorted(set(found.of_photograph.tolist())) == list(range(found.cell_offsets[-1]))


def test_members_are_within_reach_of_their_leader_and_leaders_are_not_of_each_other(photographs):
    lat_lng, cell = photographs
    found = cluster(lat_lng, cell, 6, REACH_KM)
    leader = np.array([np.flatnonzero(found.of_photograph == k)[0] for k in range(found.cell_offsets[-1])])
    assert haversine_km(lat_lng, lat_lng[leader[found.of_photograph]]).max() <= REACH_KM
    for number in (0, 2, 4):
        points = lat_lng[leader[found.cell_offsets[number] : found.cell_offsets[number + 1]]]
        apart = haversine_km(points[:, None], points[None])
        assert apart[~np.eye(len(points), dtype=bool)].min() > REACH_KM


def test_same_photographs_give_the_same_clusters(photographs):
    one, other = (cluster(*photographs, 6, REACH_KM) for _ in range(2))
    np.testing.assert_array_equal(one.of_photograph, other.of_photograph)


def test_photograph_joins_the_first_leader_within_reach():
    lat_lng = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.6]])
    assert cluster(lat_lng, np.zeros(3, np.int64), 1, 80.0).of_photograph.tolist() == [0, 1, 0]


def test_places_across_the_antimeridian_share_a_cluster():
    lat_lng = np.array([[0.0, 179.95], [0.0, -179.95]])
    assert cluster(lat_lng, np.zeros(2, np.int64), 1, 20.0).of_photograph.tolist() == [0, 0]


def test_near_places_of_two_cells_do_not():
    found = cluster(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([1, 0]), 2, 20.0)
    assert found.of_photograph.tolist() == [1, 0]
