"""CLIP's own embedding in the graph: class token, post-layernorm, projection, unit length."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from pigeon_calibration.gate.parity import compare
from pigeon_calibration.runner import Runner
from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.graph.readout import ClassToken, Layer, projection
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_export.half.tolerances import TOLERANCES
from pigeon_export.lint.rules import lint
from pigeon_export.parity.torch_reference import TorchEncoder
from pigeon_training.model.clip_folder import load_clip
from pigeon_training.testing import write_tiny_clip

SPEC = PreprocessSpec(32)


def random_layer(rng, outputs, inputs, *, rectified=False):
    weight = rng.normal(size=(outputs, inputs)).astype(np.float32)
    return Layer(weight, rng.normal(size=outputs).astype(np.float32), rectified)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_graph_equals_torch(depth, make_tower, make_heads, make_pixels):
    rng = np.random.default_rng(0)
    layers = (projection(rng.normal(size=(20, 48)).astype(np.float32)), random_layer(rng, 20, 20, rectified=True))
    readout = ClassToken((*layers, random_layer(rng, 12, 20))[:depth])
    width = {0: 48, 1: 20, 3: 12}[depth]
    assert readout.width(48) == width
    heads, pixels = make_heads(width), make_pixels(3)
    graph = to_onnx(make_tower(), SPEC, heads, readout)
    onnx.checker.check_model(graph, full_check=True)
    assert lint(graph) == []
    expected = TorchEncoder(make_tower(), SPEC, heads, readout).encode(pixels)
    found = Runner(graph).encode(pixels)
    assert TOLERANCES["fp32"].misses(compare(expected, found)) == []
    np.testing.assert_allclose(found.embedding, expected.embedding, atol=2e-5)
    np.testing.assert_allclose(found.cell_logits, expected.cell_logits, atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(found.embedding, axis=1), 1, atol=1e-5)


def test_embedding_is_transformers_own_image_feature(tmp_path, make_pixels):
    clip = load_clip(str(write_tiny_clip(tmp_path)))
    weight = clip.model.visual_projection.weight.detach().numpy()
    pixels = make_pixels(3)
    found = Runner(to_onnx(clip.model.vision_model, SPEC, None, ClassToken((projection(weight),)))).encode(pixels)
    planes = (pixels / 255 - np.array(SPEC.mean)) / np.array(SPEC.std)
    with torch.inference_mode():
        features = clip.model.get_image_features(torch.tensor(planes.transpose(0, 3, 1, 2), dtype=torch.float32))
    expected = getattr(features, "pooler_output", features).numpy()
    np.testing.assert_allclose(found.embedding, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=2e-5)


def test_head_of_another_width_is_refused(make_tower, make_heads):
    readout = ClassToken((projection(np.ones((20, 48), np.float32)),))
    with pytest.raises(InputError, match=r"expected cells.weight \(C, 20\)"):
        to_onnx(make_tower(), SPEC, make_heads(48), readout)
