"""Density clusters on the sphere, and the cuts that follow them."""

from __future__ import annotations

import numpy as np
import pytest

from pigeon_edge.geodesy import destination, unit_vectors
from pigeon_training.cells.optics import clusters, ordering
from pigeon_training.cells.splitting import grow
from pigeon_training.cells.tree import descend
from pigeon_training.presets import CellPreset


def towns(seed=0, count=60, lat=0.0):
    rng = np.random.default_rng(seed)
    middles = ((lat, 10), (lat + 3, 12), (lat, 179.9))
    near = [destination(at, rng.uniform(0, 360, count), np.abs(rng.normal(0, 8, count))) for at in middles]
    return unit_vectors(np.vstack([*near, rng.uniform((lat - 5, 5), (lat + 5, 15), (count, 2))]))


@pytest.mark.parametrize("min_samples", [2, 5, 12])
def test_ordering_is_that_of_scikit_learn_on_great_circles(min_samples):
    from sklearn.cluster import OPTICS

    vectors = towns()
    lat_lng = np.stack([np.arcsin(vectors[:, 2]), np.arctan2(vectors[:, 1], vectors[:, 0])], axis=1)
    theirs = OPTICS(min_samples=min_samples, metric="haversine", algorithm="ball_tree").fit(lat_lng)
    ours = ordering(vectors, min_samples)
    assert ours.order.tolist() == theirs.ordering_.tolist()
    assert ours.predecessor.tolist() == theirs.predecessor_.tolist()
    np.testing.assert_allclose(ours.reachability_km[1:], theirs.reachability_[1:] * 6371.0088, rtol=1e-6, atol=1e-4)


def test_towns_are_clusters_one_of_them_across_the_antimeridian():
    found = clusters(towns(), 8, 0.05, 30)
    towns_of = [np.bincount(members // 60, minlength=4) for members in found]
    assert [int(counts.argmax()) for counts in sorted(towns_of, key=lambda counts: counts.argmax())] == [0, 1, 2]
    assert all(counts.max() > 0.75 * counts.sum() for counts in towns_of)


def test_heap_at_one_spot_has_finite_reachability_and_no_warning():
    found = ordering(unit_vectors(np.tile([(10.0, 20.0)], (9, 1))), 3)
    assert np.isfinite(found.reachability_km[1:]).all()
    assert clusters(unit_vectors([(0, 0), (0, 1)]), 8, 0.05, 2) == []


def test_cuts_at_high_latitude_follow_the_ground_not_the_degrees():
    """Two towns 45 km apart beside each other at 80 north, 15 degrees of longitude; none is torn apart."""
    rng = np.random.default_rng(5)
    pair = [destination((80, lng), rng.uniform(0, 360, 40), np.abs(rng.normal(0, 3, 40))) for lng in (0, 15)]
    grown = grow(unit_vectors(np.vstack(pair)), CellPreset(30, 60, ((8, 0.05),)))
    assert sorted(sorted({int(m) // 40 for m in leaf}) for leaf in grown.leaves) == [[0], [1]]


def test_leaves_partition_the_points_and_the_tree_finds_them_again():
    vectors = towns(seed=3, count=200)
    grown = grow(vectors, CellPreset(20, 60, ((8, 0.05), (15, 0.015)), sample=150))
    assert np.sort(np.concatenate(grown.leaves)).tolist() == list(range(len(vectors)))
    leaf = descend(np.full(len(vectors), grown.root), vectors, grown.splits)
    assert all((leaf[members] == number).all() for number, members in enumerate(grown.leaves))
    assert {len(grown.kinds), int(leaf.max()) + 1} == {len(grown.leaves)}


def test_lone_town_is_cut_out_of_the_land_around_it():
    rng = np.random.default_rng(8)
    town = destination((45, 5), rng.uniform(0, 360, 100), 2 * np.sqrt(rng.uniform(0, 1, 100)))
    around = destination((45, 5), rng.uniform(0, 360, 100), rng.uniform(80, 300, 100))
    grown = grow(unit_vectors(np.vstack([town, around])), CellPreset(40, 150, ((8, 0.05),)))
    assert {kind.partition(", ")[2] for kind in grown.kinds} == {"one cut out"}
    inside = [int((members < 100).sum()) for members in grown.leaves]
    assert max(inside) >= 90
    assert len(grown.leaves[inside.index(max(inside))]) < 115


def test_widest_gap_divides_what_has_no_density():
    lng = np.concatenate([np.linspace(0, 4, 30), np.linspace(6, 10, 30)])
    grown = grow(unit_vectors(np.stack([np.zeros(60), lng], axis=1)), CellPreset(10, 40, ()))
    assert sorted(sorted(leaf.tolist())[0] for leaf in grown.leaves) == [0, 30]
    assert grown.kinds == ("gap", "gap")
