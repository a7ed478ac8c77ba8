"""Half precision: the same function within its tolerance, one type in every node, and what it cannot hold refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests import loud_channels

from pigeon_calibration.gate.parity import compare
from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.prepare import prepare
from pigeon_calibration.int8.quantize import linear_inputs, quantize, quantize_weights
from pigeon_calibration.runner import Runner
from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.graph.readout import ClassToken
from pigeon_export.graph.tensor_types import tensor_types
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_export.half.convert import to_half
from pigeon_export.half.emulate import with_written_rounding
from pigeon_export.half.tolerances import TOLERANCES
from pigeon_export.lint.rules import lint

SPEC = PreprocessSpec(32)


@pytest.fixture
def graph(make_tower, make_heads) -> onnx.ModelProto:
    return to_onnx(make_tower(), SPEC, make_heads())


def quantized(model: onnx.ModelProto, pixels: np.ndarray) -> onnx.ModelProto:
    prepared = prepare(model, lambda of: observe(of, linear_inputs(of), [pixels]))
    return quantize(prepared.graph, prepared.scales)


def weights_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def set_weight(model: onnx.ModelProto, name: str, values: np.ndarray) -> None:
    [tensor] = [tensor for tensor in model.graph.initializer if tensor.name == name]
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(values), name))


def parity_of_half(model: onnx.ModelProto, pixels: np.ndarray):
    rounded = with_written_rounding(to_half(model))
    return compare(Runner(model).encode(pixels), Runner(rounded).encode(pixels))


@pytest.mark.parametrize("loudness", [30.0, 100.0])
@pytest.mark.parametrize(
    "louden", [loud_channels.with_loud_channels, loud_channels.with_loud_neurons, loud_channels.with_loud_tokens]
)
def test_loud_towers_stay_within_the_tolerance(louden, loudness):
    tower = loud_channels.tower(loud_channels.Shape(128, layers=4), seed=1)
    model = louden(tower, loudness, 4, 2)
    pixels = loud_channels.photographs(16, 64, seed=3)
    assert TOLERANCES["fp16"].misses(parity_of_half(model, pixels)) == []
    int8 = quantized(model, loud_channels.photographs(8, 64, seed=4))
    found = Runner(with_written_rounding(to_half(int8))).encode(pixels)  # a bit of half precision may turn one of int8
    assert compare(Runner(model).encode(pixels), found).cosine_p01 >= TOLERANCES["int8"].cosine_p01


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("heads", [True, False])
def test_every_node_reads_one_type_and_the_rules_are_kept(activation, heads, make_tower, make_heads, make_pixels):
    model = to_onnx(make_tower(hidden_act=activation), SPEC, make_heads() if heads else None)
    for source in (model, quantize_weights(model), quantized(model, make_pixels())):
        half = to_half(source)
        onnx.checker.check_model(half, full_check=True)
        assert lint(half) == []
        found = Runner(with_written_rounding(half)).encode(make_pixels())
        assert compare(Runner(source).encode(make_pixels()), found).cosine_p01 >= TOLERANCES["fp16"].cosine_p01


def test_tower_is_half_and_what_sums_is_full(graph, make_pixels):
    half = to_half(quantized(graph, make_pixels()))
    types = tensor_types(half)
    assert types["layers.1.residual2"] == types["layers.0.norm1.scale"] == TensorProto.FLOAT16
    assert types["layers.0.fc1.weight.scale"] == types["layers.0.qkv.bias"] == TensorProto.FLOAT16
    assert types["layers.0.fc1.weight.int8"] == TensorProto.INT8
    full = {name for name, number in types.items() if number == TensorProto.FLOAT}
    of_head = {"head.cells", "head.cells.weight", "head.cells.bias", "cell_logits"}
    assert full == {"layers.1.residual2.full", "image_embedding", *of_head}


def test_length_of_a_class_token_is_taken_in_full(make_tower):
    half = to_half(to_onnx(make_tower(), SPEC, None, ClassToken(())))
    [length] = [node for node in half.graph.node if node.op_type == "ReduceL2"]
    assert list(length.input) == ["post_norm.full", "width_axis"]
    assert [node.op_type for node in half.graph.node].count("Cast") == 2  # the pixels', and this one's


def test_inputs_outputs_and_metadata_stay(graph):
    half = to_half(graph)
    assert half.graph.input == graph.graph.input
    assert half.graph.output == graph.graph.output
    assert half.metadata_props == graph.metadata_props


def test_source_is_unchanged(graph):
    before = graph.SerializeToString()
    to_half(graph)
    assert graph.SerializeToString() == before


def test_nodes_need_no_names(graph, make_pixels):
    """ONNX asks for none; as many nodes must be added as to a graph that has them, and no tensor be made twice."""
    named = to_half(graph)
    for node in graph.graph.node:
        node.ClearField("name")
    half = to_half(graph)
    assert [node.output for node in half.graph.node] == [node.output for node in named.graph.node]
    assert lint(half) == []
    onnx.checker.check_model(half, full_check=True)
    found = Runner(with_written_rounding(half)).encode(make_pixels())
    assert compare(Runner(graph).encode(make_pixels()), found).cosine_p01 >= TOLERANCES["fp16"].cosine_p01


def test_patch_embedding_of_a_dim_kernel_keeps_its_digits(graph):
    """A kernel a hundred times weaker: over 0..255 it would be 5e-6, of which half precision keeps four bits."""
    values = weights_of(graph)
    for name in ("patch_embedding.weight", "patch_embedding.bias"):
        set_weight(graph, name, values[name] / 100)
    half = weights_of(to_half(graph))
    kernel = values["patch_embedding.weight"].astype(np.float64) / 100
    found = half["patch_embedding.weight"].astype(np.float64) / 256
    assert np.abs(found - kernel).max() < 2**-11 * np.abs(kernel).max()
    constant = np.full((1, 3, 8, 8), 200.0)  # a patch of one colour: its embedding by hand, both ways
    by_hand = (kernel * constant).sum(axis=(1, 2, 3)) + values["patch_embedding.bias"] / 100
    centred = (found * (constant - 128)).sum(axis=(1, 2, 3)) + half["patch_embedding.bias"].astype(np.float64)
    np.testing.assert_allclose(centred, by_hand, atol=2e-3 * np.abs(by_hand).max())


def test_scales_below_half_precision_are_rounded_up_and_their_weights_with_them(graph):
    int8 = quantize(graph, dict.fromkeys(linear_inputs(graph), 1e-9))
    values = weights_of(int8)
    scales = np.full(96, 2e-8, np.float32)  # a third of the smallest number of half precision
    set_weight(int8, "layers.0.fc1.weight.scale", scales)
    half = weights_of(to_half(int8))
    tiniest = 2.0**-24
    assert set(np.unique(half["layers.0.fc1.weight.scale"])) == {np.float16(tiniest)}
    assert half["layers.0.norm1.scale"] == np.float16(tiniest)
    expected = values["layers.0.fc1.weight.int8"] * 2e-8
    assert np.abs(half["layers.0.fc1.weight.int8"] * tiniest - expected).max() <= tiniest / 2


def test_ordinary_weights_keep_their_int8_values(graph, make_pixels):
    int8 = quantized(graph, make_pixels())
    before, after = weights_of(int8), weights_of(to_half(int8))
    np.testing.assert_array_equal(after["layers.0.fc1.weight.int8"], before["layers.0.fc1.weight.int8"])


def test_output_that_half_precision_makes_is_cast_back(graph):
    """A graph that gives tokens away: nothing sums them."""
    del graph.graph.output[:]
    graph.graph.output.append(helper.make_tensor_value_info("layers.1.residual2", TensorProto.FLOAT, ["batch", 17, 48]))
    half = to_half(graph)
    onnx.checker.check_model(half, full_check=True)
    assert tensor_types(half)["layers.1.residual2.half"] == TensorProto.FLOAT16
    pixels = np.full((1, 32, 32, 3), 77, np.uint8)
    found, expected = (Runner(model).run(["layers.1.residual2"], pixels)[0] for model in (half, graph))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_overflow_that_the_cpu_would_hide_is_seen(graph, make_pixels):
    """Residuals of 100,000: ONNX Runtime alone computes on in float32, a GPU has infinity."""
    values = weights_of(graph)
    set_weight(graph, "layers.0.fc2.bias", values["layers.0.fc2.bias"] + 60_000)
    set_weight(graph, "layers.1.fc2.bias", values["layers.1.fc2.bias"] + 60_000)
    half = to_half(graph)
    assert np.isfinite(Runner(half).encode(make_pixels()).embedding).all()
    assert np.isinf(Runner(with_written_rounding(half)).encode(make_pixels()).embedding).all()
    assert len(TOLERANCES["fp16"].misses(parity_of_half(graph, make_pixels()))) == 2


def test_weight_beyond_half_precision_is_refused_by_name(graph):
    set_weight(graph, "layers.1.fc1.bias", np.full(96, 70_000, np.float32))
    with pytest.raises(InputError, match=r"at most 65,504, .* found 70,000 in layers.1.fc1.bias; keep .* in float32"):
        to_half(graph)


def test_weight_that_is_no_number_is_refused(graph):
    set_weight(graph, "layers.1.fc1.bias", np.full(96, np.nan, np.float32))
    with pytest.raises(InputError, match=r"found nan in layers.1.fc1.bias"):
        to_half(graph)


def test_range_beyond_half_precision_is_refused_by_name(graph):
    int8 = quantize(graph, dict.fromkeys(linear_inputs(graph), 600.0))  # 127 * 600 = 76,200
    with pytest.raises(InputError, match=r"found 76,200 in the range of layers.0.norm1.quantized"):
        to_half(int8)


def test_half_of_a_half_is_refused(graph):
    with pytest.raises(InputError, match="expected a float32 graph, found one in half precision"):
        to_half(to_half(graph))


def test_layer_norm_in_pieces_is_refused(graph):
    for node in graph.graph.node:
        node.op_type = node.op_type.replace("LayerNormalization", "Identity")
    with pytest.raises(InputError, match="expected LayerNormalization, found none"):
        to_half(graph)


def test_opset_without_half_scales_is_refused(graph, make_pixels):
    int8 = quantized(graph, make_pixels())
    int8.opset_import[0].version = 18
    with pytest.raises(InputError, match="expected opset 19 or later, as float16 scales need, found 18"):
        to_half(int8)
