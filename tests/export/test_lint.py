"""Each rule finds the graph that breaks it, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import pigeon_edge
from pigeon_calibration.int8.quantize import linear_inputs, quantize, quantize_weights
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.graph.readout import ClassToken, Layer
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_export.half.convert import to_half
from pigeon_export.lint.rules import lint


@pytest.fixture
def quantized(make_tower, make_heads) -> onnx.ModelProto:
    model = to_onnx(make_tower(), PreprocessSpec(32), make_heads())
    return quantize(model, dict.fromkeys(linear_inputs(model), 0.05))


@pytest.fixture
def half(quantized) -> onnx.ModelProto:
    return to_half(quantized)


PROJECTED = ClassToken((Layer(np.eye(48, dtype=np.float32), np.zeros(48, np.float32), rectified=True),))


@pytest.mark.parametrize("readout", [PROJECTED, None], ids=["as adopted", "mean"])
@pytest.mark.parametrize("heads", [True, False], ids=["heads", "no heads"])
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_every_graph_that_is_written_keeps_the_rules(activation, heads, readout, make_tower, make_heads):
    on_top = make_heads() if heads else None
    model = to_onnx(make_tower(hidden_act=activation), PreprocessSpec(32), on_top, *([readout] if readout else []))
    scales = dict.fromkeys(linear_inputs(model), 0.05)
    for written in (model, quantize_weights(model), quantize(model, scales), quantize(model, scales, ["layers.0.fc2"])):
        assert lint(written) == []
        assert lint(to_half(written)) == []


def test_graph_that_ships_keeps_the_rules():
    bundle = Path(pigeon_edge.__file__).parent / "toy_planet" / "toy-planet.pigeon"
    shipped = onnx.load_model(str(bundle / "encoder.int8.onnx"))
    assert lint(shipped) == []
    assert lint(to_half(shipped)) == []


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


def bias_before_softmax(model):
    model.graph.node.append(helper.make_node("Add", ["layers.1.scores", "mask"], ["masked"], "masked"))
    node_of(model, "layers.1.softmax").input[0] = "masked"


def scale_after_softmax(model):
    model.graph.node.append(helper.make_node("Mul", ["layers.0.softmax", "kept"], ["dropped"], "dropped"))
    node_of(model, "layers.0.context").input[0] = "dropped"


def quantized_softmax(model):
    settings = ["layers.0.norm1.scale", "layers.0.norm1.zero_point"]
    model.graph.node.append(helper.make_node("QuantizeLinear", ["layers.0.softmax", *settings], ["small"], "small"))


def opset_16(model):
    model.opset_import[0].version = 16


def dynamic_quantization(model):
    node = helper.make_node("DynamicQuantizeLinear", ["layers.0.norm1"], ["q", "s", "z"], "dynamic")
    model.graph.node.append(node)


def int16_activation(model):
    set_constant(model, "layers.1.norm2.zero_point", np.int16(0))


def infinite_weight(model):
    set_constant(model, "layers.0.qkv.bias", np.full(144, np.inf, np.float32))


def half_statistics(model):
    node_of(model, "layers.0.norm1").attribute.append(helper.make_attribute("stash_type", onnx.TensorProto.FLOAT16))


def mean_of_a_norm(model):
    node_of(model, "layers.0.norm1").output.append("layers.0.norm1.mean")


def two_nodes_of_one_tensor(model):
    model.graph.node.append(helper.make_node("Identity", ["layers.0.norm1"], ["layers.0.norm2"]))


def node_that_gives_a_weight(model):
    model.graph.node.append(helper.make_node("Identity", ["layers.0.norm1"], ["positions.table"]))


def node_that_gives_the_input(model):
    model.graph.node.append(helper.make_node("Identity", ["layers.0.norm1"], ["pixels"]))


def float_bias(model):
    set_constant(model, "layers.0.qkv.bias", np.ones(144, np.float32))


def float_scale(model):
    set_constant(model, "layers.0.norm1.scale", np.float32(0.05))
    node_of(model, "layers.0.norm1.dequantized").input[1] = "layers.1.norm1.scale"  # so that Q alone is wrong


def output_of_another_type(model):
    [embedding, _] = model.graph.output
    embedding.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def infinite_half_weight(model):
    set_constant(model, "layers.0.fc2.bias", np.full(48, np.inf, np.float16))


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
    (scale_after_product, "layers.0.softmax: Mul stands between QK^T and Softmax"),
    (bias_before_softmax, "layers.1.softmax: Add stands between QK^T and Softmax"),
    (scale_after_softmax, "dropped: Mul stands between Softmax and V"),
    (quantized_softmax, "small: QuantizeLinear stands between Softmax and V"),
    (opset_16, "opset 16: at least 17 is needed"),
    (dynamic_quantization, "dynamic: DynamicQuantizeLinear is not read"),
    (int16_activation, "layers.1.norm2.quantized: quantized to int16, only int8 is read"),
    (infinite_weight, "layers.0.qkv.bias: the weight holds values that are not finite"),
    (half_statistics, "layers.0.norm1: the stash_type is not float32"),
    (mean_of_a_norm, "layers.0.norm1: 2 outputs, only the normalised tensor is read"),
    (two_nodes_of_one_tensor, "layers.0.norm2: 2 nodes give this tensor, only one may"),
    (node_that_gives_a_weight, "positions.table: a node gives this tensor, which is an input or a weight already"),
    (node_that_gives_the_input, "pixels: a node gives this tensor, which is an input or a weight already"),
])  # fmt: skip
def test_broken_rule_is_found_alone(quantized, spoil: Callable[[onnx.ModelProto], None], message: str):
    spoil(quantized)
    findings = lint(quantized)
    assert findings
    assert findings[0].startswith(message)
    assert len({finding.split(": ")[-1] for finding in findings}) == 1  # one rule, though Q and DQ may both break it


@pytest.mark.parametrize(("spoil", "message"), [
    (float_bias, "layers.0.qkv.sum: Add reads float and float16, an engine casts nothing by itself"),
    (float_scale, "layers.0.norm1.quantized: the scale is float and the input float16, strong typing wants one type"),
    (output_of_another_type, "image_embedding: the output is said to be float16, but made as float"),
    (infinite_half_weight, "layers.0.fc2.bias: the weight holds values that are not finite"),
])  # fmt: skip
def test_broken_rule_of_strong_typing_is_found_alone(half, spoil: Callable[[onnx.ModelProto], None], message: str):
    spoil(half)
    [finding] = lint(half)
    assert finding.startswith(message)


def test_half_scales_need_their_opset(half):
    """Q and DQ of opset 18 make float32 of everything, which is found too."""
    half.opset_import[0].version = 18
    assert lint(half)[0].startswith("opset 18: at least 19 is needed")
