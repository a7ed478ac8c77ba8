"""The int8 graph: which nodes change, how, and what it costs in accuracy."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import helper, numpy_helper

from pigeon_calibration.gate.parity import compare, cosine_per_row
from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.prepare import prepare
from pigeon_calibration.int8.quantize import linear_inputs, linears, quantize, quantize_weight
from pigeon_calibration.runner import Runner
from pigeon_edge.encoders.without_telemetry import import_openvino
from pigeon_edge.errors import InputError
from pigeon_export.lint.rules import lint

LINEARS = {f"layers.{n}.{name}" for n in range(3) for name in ("qkv", "attention_output", "fc1", "fc2")}


@pytest.fixture
def int8(encoder, pixels) -> onnx.ModelProto:
    prepared = prepare(encoder, lambda graph: observe(graph, linear_inputs(graph), [pixels]))
    return quantize(prepared.graph, prepared.scales)


def test_int8_stays_close_to_full_precision(encoder, int8, pixels):
    parity = compare(Runner(encoder).encode(pixels), Runner(int8).encode(pixels))
    assert parity.cosine_min > 0.999


def test_openvino_equals_onnx_runtime(int8, pixels, tmp_path):
    pytest.importorskip("openvino")
    onnx.save_model(int8, str(tmp_path / "g.onnx"))
    compiled = (
        import_openvino().Core().compile_model(str(tmp_path / "g.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    found, expected = compiled({"pixels": pixels}), Runner(int8).encode(pixels)
    assert cosine_per_row(found["image_embedding"], expected.embedding).min() > 0.9999
    off = np.abs(found["cell_logits"] - expected.cell_logits)  # halfway between two steps, either is right
    assert off.mean() < 0.01
    assert off.max() < 0.5


def test_exactly_the_linears_are_quantized(encoder, int8):
    producers = {output: node for node in int8.graph.node for output in node.output}
    quantized = {
        node.name
        for node in int8.graph.node
        if any(name in producers and producers[name].op_type == "DequantizeLinear" for name in node.input)
    }
    assert quantized == {node.name for node in linears(encoder)} == LINEARS
    weights = {tensor.name: tensor.data_type for tensor in int8.graph.initializer}
    assert weights["head.cells.weight"] == weights["patch_embedding.weight"] == onnx.TensorProto.FLOAT
    assert weights["layers.2.fc2.weight.int8"] == onnx.TensorProto.INT8
    assert "layers.2.fc2.weight" not in weights


def test_int8_graph_is_whole_and_keeps_the_rules(encoder, int8):
    onnx.checker.check_model(int8, full_check=True)
    assert lint(int8) == []
    assert int8.metadata_props == encoder.metadata_props
    assert int8.opset_import == encoder.opset_import
    assert int8.graph.output == encoder.graph.output


def test_original_is_unchanged(encoder, int8):
    assert {node.name for node in linears(encoder)} == LINEARS
    assert len(int8.graph.node) > len(encoder.graph.node)


def test_int8_file_is_about_a_quarter(encoder, int8):
    assert 0.24 < int8.ByteSize() / encoder.ByteSize() < 0.34


def test_readers_of_one_tensor_share_one_pair(encoder):
    """Q, K and V as three linears read one tensor: one pair serves them."""
    [joined] = [node for node in encoder.graph.node if node.name == "layers.0.qkv"]
    second = helper.make_node("MatMul", list(joined.input), ["twin"], "layers.9.qkv")
    encoder.graph.node.append(second)
    int8 = quantize(encoder, dict.fromkeys(linear_inputs(encoder), 0.1))
    counts = Counter(node.input[0] for node in int8.graph.node if node.op_type == "QuantizeLinear")
    assert counts["layers.0.norm1"] == 1
    readers = [node.name for node in int8.graph.node if "layers.0.norm1.dequantized" in node.input]
    assert readers == ["layers.0.qkv", "layers.9.qkv"]
    assert len({tensor.name for tensor in int8.graph.initializer}) == len(int8.graph.initializer)


def test_scale_is_the_one_given(encoder):
    int8 = quantize(encoder, dict.fromkeys(linear_inputs(encoder), 0.25) | {"layers.1.norm2": 0.5})
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in int8.graph.initializer}
    assert constants["layers.1.norm2.scale"] == np.float32(0.5)
    assert constants["layers.1.norm1.scale"].shape == ()
    assert constants["layers.1.norm1.zero_point"].dtype == np.int8


def test_quantized_graph_is_refused(int8):
    with pytest.raises(InputError, match="found a quantized one"):
        linears(int8)


def test_graph_of_another_maker_is_refused(encoder):
    for node in encoder.graph.node:
        node.name = f"MatMul_{node.name}"
    with pytest.raises(InputError, match=r"expected linears named layers.N.qkv"):
        linear_inputs(encoder)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(-1e3, 1e3, width=32)))
def test_weight_comes_back_within_half_a_step(weight):
    values, scales = quantize_weight(weight)
    assert values.dtype == np.int8
    assert np.all(scales > 0)
    assert scales.shape == (weight.shape[1],)
    assert np.all(np.abs(values.astype(np.float64) * scales - weight) <= scales * 0.5001)
    assert np.abs(values.astype(int)).max() <= 127
