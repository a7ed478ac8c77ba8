"""The graph computes what transformers computes, and has the shape that TensorRT fuses."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import save_file

from pigeon_calibration.gate.parity import compare
from pigeon_calibration.runner import Runner
from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.graph import to_onnx as module
from pigeon_export.graph.to_onnx import export_folder, to_onnx
from pigeon_export.half.tolerances import TOLERANCES
from pigeon_export.lint.rules import lint
from pigeon_export.parity.torch_reference import TorchEncoder

SPEC = PreprocessSpec(32)


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_act": "quick_gelu"},
        {"hidden_act": "gelu"},
        {"patch_size": 16, "num_hidden_layers": 3},
        {"num_attention_heads": 1, "intermediate_size": 40},
        {"hidden_size": 70, "num_attention_heads": 5, "hidden_act": "gelu", "layer_norm_eps": 1e-3},
        {"image_size": 40, "patch_size": 16},  # the last 8 pixels of each side fall outside the patches
    ],
    ids=str,
)
def test_graph_equals_torch(settings, make_tower, make_heads, make_pixels):
    tower = make_tower(**settings)
    spec = PreprocessSpec(tower.config.image_size, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    heads, pixels = make_heads(tower.config.hidden_size), make_pixels(3, spec.size_px)
    graph = to_onnx(tower, spec, heads)
    onnx.checker.check_model(graph, full_check=True)
    expected, found = TorchEncoder(tower, spec, heads).encode(pixels), Runner(graph).encode(pixels)
    assert TOLERANCES["fp32"].misses(compare(expected, found)) == []
    np.testing.assert_allclose(found.embedding, expected.embedding, atol=2e-5)
    np.testing.assert_allclose(found.cell_logits, expected.cell_logits, atol=2e-4)


def test_embedding_is_the_mean_over_all_tokens_before_the_last_norm(make_tower, make_pixels):
    import torch

    tower, pixels = make_tower(), make_pixels(2)
    mean, std = np.array(SPEC.mean), np.array(SPEC.std)
    planes = torch.tensor(((pixels / 255 - mean) / std).transpose(0, 3, 1, 2), dtype=torch.float32)
    with torch.inference_mode():
        tokens = tower(pixel_values=planes).last_hidden_state.numpy()
    assert tokens.shape == (2, 17, 48)
    np.testing.assert_allclose(Runner(to_onnx(tower, SPEC, None)).encode(pixels).embedding, tokens.mean(1), atol=2e-5)


def test_batches_of_any_size_give_the_rows_of_one(make_tower, make_heads, make_pixels):
    runner, pixels = Runner(to_onnx(make_tower(), SPEC, make_heads())), make_pixels(5)
    together = runner.encode(pixels)
    alone = [runner.encode(pixels[row : row + 1]).cell_logits[0] for row in range(5)]
    assert together.embedding.shape == (5, 48)
    np.testing.assert_allclose(together.cell_logits, alone, atol=1e-4)


def test_attention_scale_is_in_the_queries_alone(make_tower):
    tower = make_tower(num_attention_heads=3)  # heads of 16: the scale is a quarter
    graph = to_onnx(tower, SPEC, None)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    attention = tower.encoder.layers[1].self_attn
    query, key, value = np.split(weights["layers.1.qkv.weight"].T, 3)
    np.testing.assert_array_equal(query, attention.q_proj.weight.detach().numpy() / 4)
    np.testing.assert_array_equal(key, attention.k_proj.weight.detach().numpy())
    np.testing.assert_array_equal(value, attention.v_proj.weight.detach().numpy())
    np.testing.assert_array_equal(weights["layers.1.qkv.bias"][:48], attention.q_proj.bias.detach().numpy() / 4)
    assert [node.op_type for node in graph.graph.node].count("Mul") == 2 * 2  # quick_gelu's, and no other


def test_names_are_readable_and_unique(make_tower, make_heads):
    graph = to_onnx(make_tower(), SPEC, make_heads()).graph
    names = [node.name for node in graph.node] + [tensor.name for tensor in graph.initializer]
    linears = ["qkv", "attention_output", "fc1", "fc2"]
    assert len(set(names)) == len(names)
    assert {f"layers.{number}.{linear}" for number in (0, 1) for linear in linears} <= set(names)
    assert {"patch_embedding", "patch_embedding.weight", "head.cells", "head.cells.weight"} <= set(names)
    assert all(re.fullmatch(r"[a-z_]+[a-z0-9_.]*", name) for name in names)


def test_inputs_outputs_and_metadata(make_tower, make_heads):
    spec = PreprocessSpec(32, mean=(0.1, 0.2, 0.3))
    graph = to_onnx(make_tower(), spec, make_heads(cells=11))
    [pixels] = graph.graph.input
    dims = [dim.dim_param or dim.dim_value for dim in pixels.type.tensor_type.shape.dim]
    assert (pixels.name, pixels.type.tensor_type.elem_type, dims) == (
        "pixels", onnx.TensorProto.UINT8, ["batch", 32, 32, 3],
    )  # fmt: skip
    assert [output.name for output in graph.graph.output] == ["image_embedding", "cell_logits"]
    [properties] = graph.metadata_props
    assert properties.key == "pigeon_edge.preprocess"
    assert PreprocessSpec.from_json(json.loads(properties.value)) == spec


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_graph_keeps_the_rules(activation, make_tower, make_heads):
    assert lint(to_onnx(make_tower(hidden_act=activation), SPEC, make_heads())) == []


def test_other_activation_is_refused_by_name(make_tower):
    with pytest.raises(InputError, match="expected the activation quick_gelu or gelu, found 'relu'"):
        to_onnx(make_tower(hidden_act="relu"), SPEC, None)


def test_heads_of_another_tower_are_refused(make_tower, make_heads):
    with pytest.raises(InputError, match=r"expected cells.weight \(C, 48\).* found \(11, 64\) and \(11,\)"):
        to_onnx(make_tower(), SPEC, make_heads(width=64))


def test_spec_of_another_size_is_refused(make_tower):
    with pytest.raises(InputError, match="32 px, found 64 px"):
        to_onnx(make_tower(), PreprocessSpec(64), None)


def test_weights_that_fill_no_one_file_are_refused(make_tower, monkeypatch):
    monkeypatch.setattr(module, "MAX_WEIGHT_BYTES", 1000)
    with pytest.raises(InputError, match="at most 1000 bytes of weights"):
        to_onnx(make_tower(), SPEC, None)


def test_folder_of_the_training_becomes_one_file(tmp_path, make_tower, make_heads, make_pixels):
    tower, heads, pixels = make_tower(), make_heads(), make_pixels()
    tower.save_pretrained(tmp_path / "model")
    save_file(heads, tmp_path / "model" / "heads.safetensors")
    export_folder(str(tmp_path / "model"), tmp_path / "out" / "encoder.onnx")
    found = Runner(onnx.load(tmp_path / "out" / "encoder.onnx")).encode(pixels)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["encoder.onnx"]
    np.testing.assert_allclose(
        found.cell_logits, TorchEncoder(tower, SPEC, heads).encode(pixels).cell_logits, atol=2e-4
    )
