"""Int8 weights without photographs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from pigeon_calibration.gate.parity import compare
from pigeon_calibration.int8.quantize import quantize_weights
from pigeon_calibration.runner import Runner
from pigeon_edge.errors import InputError


def test_only_the_weights_of_the_linears_become_int8(encoder):
    found = quantize_weights(encoder)
    onnx.checker.check_model(found, full_check=True)
    ops = [node.op_type for node in found.graph.node]
    assert (ops.count("DequantizeLinear"), ops.count("QuantizeLinear")) == (3 * 4, 0)
    assert len(found.SerializeToString()) < 0.5 * len(encoder.SerializeToString())


def test_encodings_stay_close_without_any_calibration(encoder, pixels):
    full, found = Runner(encoder).encode(pixels), Runner(quantize_weights(encoder)).encode(pixels)
    assert compare(full, found).cosine_min > 0.999
    assert not np.array_equal(full.embedding, found.embedding)


def test_a_graph_without_linears_is_refused(encoder):
    quantized = quantize_weights(encoder)
    with pytest.raises(InputError, match="found a quantized one"):
        quantize_weights(quantized)
