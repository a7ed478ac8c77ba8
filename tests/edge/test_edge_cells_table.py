from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_edge.answer.cells import CellTable, nearest_other, posterior
from pigeon_edge.answer.estimate import Levels, Place
from pigeon_edge.bundle.parts import open_cells
from pigeon_edge.testing import TINY_CENTROIDS


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=20), st.floats(0.01, 100))
def test_a_posterior_sums_to_1_however_large_the_logits(logits, temperature):
    found = posterior(np.array([logits], np.float32), temperature)
    assert found.sum() == pytest.approx(1)
    assert found[0, int(np.argmax(logits))] == found.max()


def test_a_posterior_by_hand():
    np.testing.assert_allclose(posterior(np.log([[1.0, 2.0, 5.0]]), 1.0), [[0.125, 0.25, 0.625]])
    np.testing.assert_allclose(posterior(np.log([1.0, 4.0]), 2.0), [1 / 3, 2 / 3])


def test_a_higher_temperature_is_less_sure_and_changes_no_order():
    logits = np.array([3.0, 1.0, 2.0])
    cold, warm, hot = (posterior(logits, temperature) for temperature in (0.5, 1.0, 50.0))
    assert cold.max() > warm.max() > hot.max() > 1 / 3
    assert list(np.argsort(hot)) == [1, 2, 0]


def test_huge_logits_neither_overflow_nor_vanish():
    np.testing.assert_array_equal(posterior(np.array([1e30, -1e30, 1e30]), 1.0), [0.5, 0, 0.5])


NAMES = (("XA", "A", "x"), ("XA", "A", "y"), ("XA", "A", "y"), ("XB", "B", "y"))


def test_levels_add_the_cells_of_a_country_and_of_a_region():
    table = CellTable(np.zeros((4, 2)), tuple(Place(*names) for names in NAMES))
    mass = np.array([0.1, 0.2, 0.3, 0.4])
    for cell, expected in ((0, (0.6, 0.1, 0.1)), (1, (0.6, 0.5, 0.2)), (3, (0.4, 0.4, 0.4))):
        found = table.levels(mass, cell)
        assert isinstance(found, Levels)
        assert (found.country, found.admin1, found.cell) == pytest.approx(expected)


def test_reach_is_half_the_way_to_the_nearest_other_centroid():
    table = CellTable(np.array([[0.0, 0.0], [0.0, 2.0], [0.0, -178.0]]), (Place("", "", ""),) * 3)
    np.testing.assert_allclose(table.reach_km, [111.19508, 111.19508, 178 * 111.19508 / 2], rtol=1e-6)


def test_nearest_other_is_that_of_all_distances_also_at_the_poles_and_on_twins():
    rng = np.random.default_rng(4)
    crowd = rng.normal(size=(700, 3)) * [1, 1, 0.01]
    vectors = np.concatenate([rng.normal(size=(300, 3)), crowd, crowd[:5], [[0, 0, 1.0], [0, 0, -1.0]]])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    rows = np.arange(len(vectors))
    found = cosines[rows, nearest_other(vectors)]
    np.testing.assert_allclose(found, cosines.max(axis=1), atol=1e-12)  # a few metres: positions are float32
    assert (nearest_other(vectors) != rows).all()
    assert nearest_other(vectors[:1]).tolist() == [0]


def test_nearest_of_many_is_almost_always_that_of_all_distances():
    vectors = np.random.default_rng(4).normal(size=(9000, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[::50]
    cosines = queries @ vectors.T
    cosines[np.arange(len(queries)), np.arange(0, 9000, 50)] = -2
    assert (nearest_other(vectors)[::50] == cosines.argmax(axis=1)).mean() > 0.99


def test_cells_without_a_name_agree_with_themselves_alone():
    places = (Place("", "", ""), Place("", "", ""), Place("", "B", ""), Place("", "B", ""))
    found = CellTable(np.zeros((4, 2)), places).levels(np.array([0.1, 0.2, 0.3, 0.4]), 1)
    assert (found.country, found.admin1) == pytest.approx((0.2, 0.2))
    found = CellTable(np.zeros((4, 2)), places).levels(np.array([0.1, 0.2, 0.3, 0.4]), 2)
    assert (found.country, found.admin1) == pytest.approx((0.7, 0.7))


def test_the_cells_of_a_bundle_are_those_written(tiny):
    cells = open_cells(tiny)
    np.testing.assert_array_equal(cells.centroid_lat_lng, TINY_CENTROIDS)
    assert cells.places[1] == Place("XV", "Verda", "Plain")
    assert str(cells.places[1]) == "Plain, Verda"
