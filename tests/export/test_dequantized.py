"""The float graph of a Q/DQ graph: its weights are the rounded ones, and nothing else is rounded."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pigeon_calibration.int8.quantize import linear_inputs, quantize
from pigeon_calibration.runner import Runner
from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.graph.dequantized import without_quantization
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_export.half.convert import to_half
from pigeon_export.lint.rules import lint


@pytest.fixture
def graph(make_tower, make_heads) -> onnx.ModelProto:
    return to_onnx(make_tower(), PreprocessSpec(32), make_heads())


def test_it_computes_what_rounded_weights_compute(graph, make_pixels):
    """The expected graph is the float one with each weight rounded to 1/127 of its column's largest, by hand."""
    found = without_quantization(quantize(graph, dict.fromkeys(linear_inputs(graph), 0.05)))
    for tensor in graph.graph.initializer:
        if tensor.name.startswith("layers.") and len(tensor.dims) == 2:
            values = numpy_helper.to_array(tensor)
            step = np.abs(values).max(axis=0) / 127
            tensor.CopyFrom(numpy_helper.from_array((np.rint(values / step) * step).astype(np.float32), tensor.name))
    pixels = make_pixels()
    np.testing.assert_allclose(
        Runner(found).encode(pixels).cell_logits, Runner(graph).encode(pixels).cell_logits, atol=1e-4
    )


def test_nothing_of_int8_is_left_and_weights_have_their_names_again(graph):
    found = without_quantization(quantize(graph, dict.fromkeys(linear_inputs(graph), 0.05)))
    onnx.checker.check_model(found, full_check=True)
    assert lint(found) == []
    assert [(node.name, node.op_type) for node in found.graph.node] == [
        (node.name, node.op_type) for node in graph.graph.node
    ]
    assert {tensor.name for tensor in found.graph.initializer} == {tensor.name for tensor in graph.graph.initializer}
    assert linear_inputs(found) == linear_inputs(graph)


def test_weight_is_the_rounded_one_by_hand(graph):
    quantized = quantize(graph, dict.fromkeys(linear_inputs(graph), 0.05))
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantized.graph.initializer}
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in without_quantization(quantized).graph.initializer}
    name = "layers.1.fc2.weight"  # (in, out), one scale per column
    assert found[name][5, 7] == np.float32(stored[f"{name}.int8"][5, 7]) * stored[f"{name}.scale"][7]


def test_half_precision_stays_half(graph):
    half = to_half(quantize(graph, dict.fromkeys(linear_inputs(graph), 0.05)))
    found = without_quantization(half)
    assert lint(found) == []
    assert {tensor.name: tensor.data_type for tensor in found.graph.initializer} == {
        tensor.name: tensor.data_type for tensor in to_half(graph).graph.initializer
    }


def test_float_graph_comes_back_as_it_is(graph):
    assert without_quantization(graph) == graph


def test_dq_without_its_q_is_refused(graph):
    quantized = quantize(graph, dict.fromkeys(linear_inputs(graph), 0.05))
    [node] = [node for node in quantized.graph.node if node.name == "layers.0.norm1.quantized"]
    node.CopyFrom(helper.make_node("Cast", node.input[:1], node.output, node.name, to=onnx.TensorProto.INT8))
    with pytest.raises(InputError, match=r"Q and DQ in pairs, found layers.0.norm1.dequantized alone"):
        without_quantization(quantized)
