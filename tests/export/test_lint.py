"""Each rule finds the graph that breaks it, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pigeon_calibration.quantize import linear_inputs, quantize
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_export.lint import lint
from pigeon_export.to_onnx import to_onnx


@pytest.fixture
def quantized(make_tower, make_heads) -> onnx.ModelProto:
    model = to_onnx(make_tower(), PreprocessSpec(32), make_heads())
    return quantize(model, dict.fromkeys(linear_inputs(model), 0.05))


def test_quantized_graph_keeps_the_rules(quantized):
    assert lint(quantized) == []


def node_of(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    [node] = [node for node in model.graph.node if node.name == name]
    return node


def set_constant(model: onnx.ModelProto, name: str, values: np.ndarray) -> None:
    [tensor] = [tensor for tensor in model.graph.initializer if tensor.name == name]
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(values), name))


def opset_21(model):
    model.opset_import[0].version = 21


def foreign_domain(model):
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def external_weight(model):
    [tensor] = [tensor for tensor in model.graph.initializer if tensor.name == "positions.table"]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL


def zero_point_of_3(model):
    set_constant(model, "layers.0.norm1.zero_point", np.int8(3))


def computed_zero_point(model):
    node_of(model, "layers.0.norm1.quantized").input[2] = "computed"


def uint8_values(model):
    set_constant(model, "layers.1.norm2.zero_point", np.uint8(0))


def no_zero_point(model):
    del node_of(model, "layers.1.norm2.quantized").input[2:]


def uint8_weight(model):
    set_constant(model, "layers.0.fc1.weight.int8", np.ones((48, 96), np.uint8))
    del node_of(model, "layers.0.fc1.weight.dequantized").input[2:]


def computed_scale(model):
    node_of(model, "layers.0.norm1.quantized").input[1] = "layers.0.norm1"


def scale_of_zero(model):
    set_constant(model, "layers.0.norm1.scale", np.float32(0))


def scales_per_channel(model):
    set_constant(model, "layers.0.norm1.scale", np.ones(48, np.float32))


def scale_per_weight_tensor(model):
    set_constant(model, "layers.0.fc1.weight.scale", np.float32(1))


def scales_per_input_channel(model):
    set_constant(model, "layers.0.fc1.weight.scale", np.ones(48, np.float32))
    node_of(model, "layers.0.fc1.weight.dequantized").attribute[0].i = 0


def quantized_residual(model):
    node_of(model, "layers.0.residual1").input[1] = "layers.0.norm2.dequantized"


def no_layer_norm(model):
    for node in model.graph.node:
        node.op_type = node.op_type.replace("LayerNormalization", "Identity")


def layer_norm_in_pieces(model):
    model.graph.node.append(helper.make_node("Pow", ["image_embedding", "two"], ["squares"], "squares"))


def scale_after_product(model):
    model.graph.node.append(helper.make_node("Mul", ["layers.0.scores", "scale"], ["scaled"], "scaled"))
    node_of(model, "layers.0.softmax").input[0] = "scaled"


@pytest.mark.parametrize(("spoil", "message"), [
    (opset_21, "opset 21: TensorRT 10.3 reads at most 20"),
    (foreign_domain, "opset domain 'com.microsoft'"),
    (external_weight, "positions.table: the weight is in another file"),
    (zero_point_of_3, "layers.0.norm1.quantized: the zero point is not 0"),
    (computed_zero_point, "layers.0.norm1.quantized: the zero point is no constant"),
    (uint8_values, "layers.1.norm2.quantized: quantized to uint8"),
    (no_zero_point, "layers.1.norm2.quantized: quantized to uint8"),
    (uint8_weight, "layers.0.fc1.weight.dequantized: quantized to uint8"),
    (computed_scale, "layers.0.norm1.quantized: the scale is no constant"),
    (scale_of_zero, "layers.0.norm1.quantized: the scale is not positive"),
    (scales_per_channel, "layers.0.norm1.quantized: an activation has 48 scales"),
    (scale_per_weight_tensor, "layers.0.fc1.weight.dequantized: the weight's scales are not one per output channel"),
    (scales_per_input_channel, "layers.0.fc1.weight.dequantized: the weight's scales are not one per output channel"),
    (quantized_residual, "layers.0.residual1: a residual add reads a quantized tensor"),
    (no_layer_norm, "no LayerNormalization"),
    (layer_norm_in_pieces, "squares: Pow looks like a layer norm in pieces"),
    (scale_after_product, "layers.0.softmax: Mul stands between"),
])  # fmt: skip
def test_broken_rule_is_found_alone(quantized, spoil: Callable[[onnx.ModelProto], None], message: str):
    spoil(quantized)
    findings = lint(quantized)
    assert findings
    assert findings[0].startswith(message)
    assert len({finding.split(": ")[-1] for finding in findings}) == 1  # one rule, though Q and DQ may both break it
