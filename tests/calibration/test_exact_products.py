"""int8 products near the ends of their range, which kernels for AVX2 alone add in 16 bits that saturate."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from pigeon_calibration.runner import Runner
from pigeon_edge.encoders.onnxruntime import OnnxRuntimeEncoder

TERMS, OUTPUTS = 256, 8
INT8_PRODUCTS = {"MatMulIntegerToFloat", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeMatMul", "QGemm"}


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).integers(100, 128, (TERMS, OUTPUTS)).astype(np.int8)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(110, 128, (4, 16, 16, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def model(weights):
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "shape"], ["flat"]),
        helper.make_node("QuantizeLinear", ["flat", "one", "zero"], ["quantized"]),
        helper.make_node("DequantizeLinear", ["quantized", "one", "zero"], ["activations"]),
        helper.make_node("DequantizeLinear", ["int8", "one", "zero"], ["weights"]),
        helper.make_node("MatMul", ["activations", "weights"], ["image_embedding"]),
        helper.make_node("Identity", ["image_embedding"], ["cell_logits"]),
    ]
    arrays = {"shape": np.array([-1, TERMS]), "one": np.float32(1), "zero": np.int8(0), "int8": weights}
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 16, 16, 1])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", OUTPUTS])
            for name in ("image_embedding", "cell_logits")
        ],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.fixture
def graph(model, tmp_path):
    onnx.save(model, str(tmp_path / "products.onnx"))
    return tmp_path / "products.onnx"


def exact(pixels, weights):
    return pixels.reshape(len(pixels), TERMS).astype(np.int64) @ weights.astype(np.int64)


def test_the_device_adds_int8_products_exactly_whatever_its_instructions(graph, pixels, weights):
    found = OnnxRuntimeEncoder(graph).encode(pixels).embedding
    np.testing.assert_allclose(found, exact(pixels, weights), rtol=1e-6)


@pytest.mark.parametrize(("instructions", "asked"), [
    ("avx2", ["1"]), (None, ["1"]), ("avx512_vnni", []), ("avx_vnni", []), ("amx_int8", []), ("asimddp", []),
])  # fmt: skip
def test_exact_sums_are_asked_for_only_where_the_processor_does_not_give_them(graph, monkeypatch, instructions, asked):
    """The option halves the speed of VNNI, whose sums are exact without it."""
    monkeypatch.setattr("pigeon_edge.encoders.onnxruntime.int8_instructions", lambda: instructions)
    told = []

    class Options(onnxruntime.SessionOptions):
        def add_session_config_entry(self, key, value):
            told.append((key, value))
            super().add_session_config_entry(key, value)

    monkeypatch.setattr(onnxruntime, "SessionOptions", Options)
    OnnxRuntimeEncoder(graph)
    assert [value for key, value in told if key == "session.x64quantprecision"] == asked


def test_the_gate_adds_int8_products_exactly(model, pixels, weights):
    np.testing.assert_allclose(Runner(model).encode(pixels).embedding, exact(pixels, weights), rtol=1e-6)


@pytest.fixture
def optimised_ops(tmp_path, monkeypatch):
    """Return a function: the operators that ONNX Runtime runs for the graph that a call opens."""

    def found(open_session):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        monkeypatch.setattr(onnxruntime, "SessionOptions", lambda: options)
        open_session()
        return {node.op_type for node in onnx.load(str(tmp_path / "optimised.onnx")).graph.node}

    return found


def test_no_int8_kernel_of_this_machine_has_a_say_in_the_gate(model, optimised_ops):
    assert not optimised_ops(lambda: Runner(model)) & INT8_PRODUCTS


def test_the_device_does_use_its_int8_kernels(graph, optimised_ops):
    assert optimised_ops(lambda: OnnxRuntimeEncoder(graph)) & INT8_PRODUCTS
