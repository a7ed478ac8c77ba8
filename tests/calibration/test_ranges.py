"""From what was observed to scales."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_calibration.int8.activations import Observation
from pigeon_calibration.int8.linear_error import LinearError, through_int8, weight_through_int8
from pigeon_calibration.int8.ranges import best_range, limits, scale_of_maximum, with_headroom


def seen(values):
    return Observation.of(np.asarray(values, np.float32).reshape(-1, 8, 16))


@pytest.fixture
def normal():
    return np.random.default_rng(3).normal(size=(128, 16))


@given(st.floats(1e-3, 1e6))
def test_largest_value_becomes_127(largest):
    assert round(largest / scale_of_maximum(largest)) == 127


def test_tensor_of_zeros_has_a_positive_scale_even_in_half_precision():
    found = best_range(seen(np.zeros((8, 16))), [np.eye(16, dtype=np.float32)])
    assert np.float16(found.scale) > 0
    assert found.output_error == 0


def test_every_method_holds_the_bulk_and_none_exceeds_the_maximum(normal):
    found = limits(seen(normal))
    assert list(found) == ["max", "percentile", "entropy", "mean squared error"]
    assert found["max"] == pytest.approx(np.abs(normal).max())
    assert all(1.5 < limit <= found["max"] for limit in found.values())


def test_headroom_shrinks_with_the_photographs():
    assert [with_headroom(1.0, count) for count in (1, 16, 64, 256)] == pytest.approx([1.4, 1.4, 1.2, 1.1])


def test_one_wild_value_leaves_all_but_the_maximum_as_they_were():
    values = np.random.default_rng(3).normal(size=(4096, 16))
    tame, values[0, 0] = limits(seen(values)), 100.0
    wild = limits(seen(values))
    assert wild["max"] == 100
    assert wild["percentile"] == pytest.approx(tame["percentile"], rel=0.02)
    assert wild["entropy"] < 20
    assert wild["mean squared error"] < 80


def test_mean_squared_error_is_least_at_its_limit(normal):
    """The limit from the histogram, beside the best one by trial on the values themselves."""
    values = np.asarray(normal**5, np.float32)
    trials = np.abs(values).max() * np.geomspace(1, 0.05, 60)
    errors = [np.square(through_int8(values, trial / 127) - values).sum() for trial in trials]
    found = limits(seen(values))["mean squared error"]
    assert np.square(through_int8(values, found / 127) - values).sum() <= 1.1 * min(errors)


def test_range_is_the_one_with_the_least_output_error():
    """One channel holds wild values. Clipping them costs nothing where the weight does not read them."""
    values = np.random.default_rng(5).normal(size=(1024, 16))
    values[::2, 0] = 300
    weight = np.eye(16, dtype=np.float32)
    weight[0] = 0
    ignoring, reading = best_range(seen(values), [weight]), best_range(seen(values), [np.eye(16, dtype=np.float32)])
    assert ignoring.method != "max"
    assert ignoring.scale < reading.scale
    assert reading.method == "max"


def test_output_error_is_relative_to_each_row():
    rows, weight = np.float32([[100, 0], [0, 1]]), np.eye(2, dtype=np.float32)
    assert LinearError(rows, weight).of(np.float32([[100, 0], [0, 0]])) == pytest.approx(0.5)
    assert LinearError(rows, weight).of(rows) == 0


def test_weight_comes_back_as_the_graph_holds_it():
    weight = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert np.abs(weight_through_int8(weight) - weight).max() <= np.abs(weight).max() / 254 * 1.001
