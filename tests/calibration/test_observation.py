"""What is seen of a tensor, and that it may be seen in parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import numpy_helper

from pigeon_calibration.int8.activations import BIN_EDGES, BINS, ROWS, Observation, observe, observing_graph
from pigeon_calibration.int8.quantize import linear_inputs
from pigeon_calibration.runner import Runner
from pigeon_edge.errors import InputError

VALUES = hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 5)),
                    elements=st.floats(-1e6, 1e6, width=32))  # fmt: skip


def test_maxima_are_those_of_the_tensors_themselves(encoder, pixels):
    tensors = linear_inputs(encoder)
    found = observe(encoder, tensors, [pixels[:8], pixels[8:]])
    values = Runner(observing_graph(encoder, tensors)).run(tensors, pixels)
    for tensor, value in zip(tensors, values, strict=True):
        assert found[tensor].channel_maxima == pytest.approx(np.abs(value).max(axis=(0, 1)), rel=1e-3)
        assert found[tensor].counts.sum() == value.size
        assert len(found[tensor].rows) == 16 * 8
    assert len(found) == 12


@given(VALUES)
def test_each_value_is_counted_between_its_edges(values):
    counts = Observation.of(values).counts
    magnitude = np.sort(np.abs(values).ravel())
    used = np.repeat(np.arange(BINS), counts)
    assert np.all(BIN_EDGES[used] <= magnitude)
    assert np.all(magnitude < BIN_EDGES[used + 1])


@given(VALUES, st.integers(1, 3))
def test_parts_join_into_the_whole(values, cut):
    whole = Observation.of(values)
    parts = [Observation.of(part) for part in (values[:cut], values[cut:]) if len(part)]
    joined = parts[0].joined(parts[1]) if len(parts) == 2 else parts[0]
    assert joined.photographs == len(values)
    assert np.array_equal(joined.channel_maxima, whole.channel_maxima)
    assert np.array_equal(joined.counts, whole.counts)
    assert np.array_equal(joined.rows, whole.rows)


def test_rows_hold_the_loudest_token_and_do_not_grow():
    values = np.random.default_rng(0).normal(size=(4, 50, 3)).astype(np.float32)
    values[2, 33, 1] = -99
    seen = Observation.of(values)
    assert seen.rows.min() == -99
    for _ in range(20):
        seen = seen.joined(Observation.of(values))
    assert len(seen.rows) == ROWS


def test_activations_that_are_no_numbers_are_refused(encoder, pixels):
    [gain] = [tensor for tensor in encoder.graph.initializer if tensor.name == "layers.1.norm2.weight"]
    gain.CopyFrom(numpy_helper.from_array(np.full(128, np.inf, np.float32), gain.name))
    with pytest.raises(InputError, match=r"expected finite activations, found (inf|nan) in layers\.1\.norm2"):
        observe(encoder, linear_inputs(encoder), [pixels])
