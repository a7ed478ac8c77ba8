"""Real builds: TensorRT-RTX compiles on the processor, for a compute capability, without a GPU."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import onnx
import pytest
from transformers import CLIPVisionConfig, CLIPVisionModel

from pigeon_calibration.int8.quantize import linear_inputs, quantize
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.encoders.tensorrt.api import Flavour, load_tensorrt
from pigeon_edge.encoders.tensorrt.cache import EnginePrecision
from pigeon_edge.encoders.tensorrt.key import EngineOptions
from pigeon_edge.errors import EngineError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.engine.builder import BuildSettings, Log, build_plan
from pigeon_export.engine.candidates import candidate
from pigeon_export.engine.child import BuildRequest
from pigeon_export.engine.limits import MIB, MemoryLimits
from pigeon_export.engine.process import build
from pigeon_export.graph.to_onnx import to_onnx

pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is published for x86-64 only")

INT8, FP16 = EnginePrecision.INT8, EnginePrecision.FP16
LIMITS = MemoryLimits(512 * MIB, 512 * MIB)
TOY = TOY_PLANET / "encoder.int8.onnx"

B32 = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
       "image_size": 224, "patch_size": 32}  # fmt: skip
L14_336 = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
           "image_size": 336, "patch_size": 14}  # fmt: skip


SMALL = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2,
         "image_size": 64, "patch_size": 16}  # fmt: skip
LINEARS = ("qkv", "attention_output", "fc1", "fc2")


def quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    return quantize(model, dict.fromkeys(linear_inputs(model), 0.05))


def built(graph: Path, precision: EnginePrecision, folder: Path) -> tuple[bytes, list[str]]:
    """Return the plan, and what TensorRT-RTX says."""
    settings = BuildSettings(EngineOptions(), LIMITS, folder / "none.timing", "8.6")
    request = BuildRequest(Flavour.RTX, graph, precision, folder / "plan", settings, folder / "log")
    fractions: list[float] = []
    build(request, lambda fraction, phase: fractions.append(fraction))
    assert fractions == sorted(fractions)
    assert not (folder / "none.timing").exists()
    return (folder / "plan").read_bytes(), (folder / "log").read_text().splitlines()


def products(log: list[str]) -> Counter[tuple[str, str]]:
    """Return how many products of each linear are in which type, of the kernels that the engine lists at its end."""
    kernels = (re.match(r"Name: layers\.\d+\.(\w+?)_U\d+\S*, LayerType: gemm, Inputs: .*?Datatype: (\w+)", line)
               for line in log)  # fmt: skip
    return Counter((found[1], found[2]) for found in kernels if found)


def test_the_bundle_that_ships_builds_in_int8_with_kernels_for_each_batch(tmp_path):
    plan, log = built(TOY, INT8, tmp_path)
    assert len(plan) > 1_000_000
    kinds = {kind for _, kind in products(log)}
    assert {linear for linear, kind in products(log) if kind == "Int8"} >= {"attention_output", "fc1", "fc2"}
    assert "Float" not in kinds
    runs = {line for line in log if line.startswith("Layer: {ForeignNode")}
    assert len(runs) == len(EngineOptions().batches)


def test_every_linear_is_an_int8_product_with_q_k_and_v_as_one(tmp_path):
    tower = CLIPVisionModel(CLIPVisionConfig(**SMALL, hidden_act="quick_gelu"))
    onnx.save(quantized(to_onnx(tower, PreprocessSpec(64), None)), tmp_path / "graph.onnx")
    _, log = built(tmp_path / "graph.onnx", INT8, tmp_path)
    assert products(log) == {(linear, "Int8"): 2 for linear in LINEARS}
    assert sum("_gemm_mha" in line for line in log) == 2 * len(EngineOptions().batches)


@pytest.mark.slow
def test_the_bundle_that_ships_builds_in_fp16_without_an_int8_product(tmp_path):
    _, log = built(TOY, FP16, tmp_path)
    assert {kind for _, kind in products(log)} == {"Half"}


def test_a_graph_that_is_none_is_refused_with_the_parsers_reason():
    settings = BuildSettings(EngineOptions(), LIMITS, None, "8.6")
    with pytest.raises(EngineError, match=r"^TensorRT-RTX [\d.]+ cannot read the graph: .+"):
        build_plan(load_tensorrt(Flavour.RTX), b"no graph", settings, Log(str), lambda *_: None)


def test_a_graph_of_mixed_types_is_refused_with_its_node():
    model = onnx.load_from_string(candidate(TOY, FP16))
    [bias] = [tensor for tensor in model.graph.initializer if tensor.name == "layers.0.fc1.bias"]
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias).astype("float32"), bias.name))
    settings = BuildSettings(EngineOptions(), LIMITS, None, "8.6")
    with pytest.raises(EngineError, match=r"layers\.0\.fc1"):
        build_plan(load_tensorrt(Flavour.RTX), model.SerializeToString(), settings, Log(str), lambda *_: None)


@pytest.mark.slow
@pytest.mark.parametrize("precision", EnginePrecision)
@pytest.mark.parametrize("shape", [B32, L14_336], ids=["B/32", "L/14-336"])
def test_towers_of_clips_size_build(shape, precision, tmp_path):
    tower = CLIPVisionModel(CLIPVisionConfig(**shape, hidden_act="quick_gelu"))
    model = to_onnx(tower, PreprocessSpec(shape["image_size"]), None)
    onnx.save(quantized(model) if precision is INT8 else model, tmp_path / "graph.onnx")
    del tower, model
    plan, log = built(tmp_path / "graph.onnx", precision, tmp_path)
    layers = shape["num_hidden_layers"]
    weights = 12 * shape["hidden_size"] ** 2 * layers  # QKV 3, attention 1, FC1 and FC2 4 each
    assert len(plan) > weights * (1 if precision is INT8 else 2)
    if precision is INT8:
        assert products(log) == {(linear, "Int8"): layers for linear in LINEARS}
    else:
        assert {kind for _, kind in products(log)} == {"Half"}
