"""The shapes of CLIP's vision towers: quick with two layers, and whole, with weights drawn at random."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, CLIPVisionModelWithProjection

from pigeon_calibration.gate.parity import compare
from pigeon_calibration.runner import Runner
from pigeon_export.graph.to_onnx import export_folder
from pigeon_export.half.tolerances import TOLERANCES
from pigeon_export.lint.rules import lint
from pigeon_export.parity.torch_reference import TorchEncoder, open_reference

BASE = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
LARGE = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24}

SHAPES = {
    "ViT-B/32": BASE | {"patch_size": 32, "image_size": 224},
    "ViT-B/16": BASE | {"patch_size": 16, "image_size": 224},
    "ViT-L/14": LARGE | {"patch_size": 14, "image_size": 224},
    "ViT-L/14-336": LARGE | {"patch_size": 14, "image_size": 336},
}
"""As transformers has them: openai/clip-vit-base-patch32, -patch16, clip-vit-large-patch14, -patch14-336."""

TOKENS = {"ViT-B/32": 50, "ViT-B/16": 197, "ViT-L/14": 257, "ViT-L/14-336": 577}
"""One for each patch and one for the class, as the models' position tables have rows."""


def save_drawn(folder, kind=CLIPVisionModel, **settings):
    torch.manual_seed(3)
    kind(CLIPVisionConfig(**settings)).save_pretrained(folder)


def check_export(folder, size_px, tokens):
    """Export, and hold two images against transformers."""
    export_folder(str(folder), folder / "encoder.onnx")
    graph = onnx.load_model(str(folder / "encoder.onnx"))
    assert lint(graph) == []
    assert [output.name for output in graph.graph.output] == ["image_embedding"]
    [table] = [tensor for tensor in graph.graph.initializer if tensor.name == "positions.table"]
    assert table.dims[0] == tokens
    coarse = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    pixels = coarse.repeat(-(-size_px // 8), axis=1).repeat(-(-size_px // 8), axis=2)[:, :size_px, :size_px]
    encoder, spec = open_reference(str(folder))
    assert spec.size_px == size_px
    parity = compare(encoder.encode(pixels), Runner(graph).encode(pixels))
    assert TOLERANCES["fp32"].misses(parity) == []


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_exports_with_fewer_layers(name, tmp_path):
    """The image is a quarter as wide, in whole patches: the widths and patches are the model's own."""
    shape = SHAPES[name]
    size_px = shape["image_size"] // 4 // shape["patch_size"] * shape["patch_size"]
    save_drawn(tmp_path, **shape | {"num_hidden_layers": 1, "image_size": size_px})
    check_export(tmp_path, size_px, (size_px // shape["patch_size"]) ** 2 + 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_exports_whole(name, tmp_path):
    save_drawn(tmp_path, **SHAPES[name])
    check_export(tmp_path, SHAPES[name]["image_size"], TOKENS[name])


def test_projection_beside_the_tower_is_left_out(tmp_path, vision_config):
    """PIGEON reads tokens, which no projection has seen."""
    torch.manual_seed(3)
    model = CLIPVisionModelWithProjection(vision_config(projection_dim=24))
    model.save_pretrained(tmp_path)
    check_export(tmp_path, 32, 17)
    encoder, spec = open_reference(str(tmp_path))
    pixels = np.full((1, 32, 32, 3), 50, np.uint8)
    expected = TorchEncoder(CLIPVisionModel.from_pretrained(tmp_path), spec, None).encode(pixels)
    np.testing.assert_array_equal(encoder.encode(pixels).embedding, expected.embedding)
    assert expected.embedding.shape == (1, 48)
