"""One model, however it is run: torch, ONNX, INT8, two engines, and JPEGs decoded at reduced scale."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from pigeon_calibration.gate.parity import compare, cosine_per_row
from pigeon_edge.encoders import Engine, open_graph
from pigeon_edge.images.photograph import read_pixels, read_rgb
from pigeon_edge.images.preprocess import to_pixels
from pigeon_export.graph.to_onnx import load_tower, read_heads, read_spec
from pigeon_export.parity.torch_reference import TorchEncoder
from pigeon_training.data.dataset import read_all_pixels


@pytest.fixture(scope="module")
def tower(planet):
    return load_tower(str(planet / "model"))


@pytest.fixture(scope="module")
def spec(planet, tower):
    return read_spec(str(planet / "model"), tower)


@pytest.fixture(scope="module")
def pixels(held_out, spec):
    return read_all_pixels(held_out, spec)


@pytest.fixture(scope="module")
def full_precision(planet, pixels):
    return open_graph(planet / "encoder.onnx", Engine.ONNXRUNTIME).encode(pixels)


@pytest.fixture(scope="module")
def quantized(planet, pixels):
    return open_graph(planet / "encoder.int8.onnx", Engine.ONNXRUNTIME).encode(pixels)


def test_graph_is_the_torch_model(planet, tower, spec, pixels, full_precision):
    reference = TorchEncoder(tower, spec, read_heads(planet / "model")).encode(pixels)
    parity = compare(reference, full_precision)
    assert parity.photographs == len(pixels) == 200
    assert parity.cosine_min >= 0.9999
    assert parity.top1_agreement >= 0.99


def test_int8_is_near_full_precision(full_precision, quantized):
    parity = compare(full_precision, quantized)
    assert parity.cosine_p01 >= 0.98
    assert parity.top1_agreement >= 0.95


def test_int8_is_not_full_precision_under_another_name(full_precision, quantized):
    assert compare(full_precision, quantized).cosine_min < 0.999999


def test_openvino_runs_the_int8_graph_as_onnx_runtime_does(planet, pixels, quantized):
    pytest.importorskip("openvino")
    found = open_graph(planet / "encoder.int8.onnx", Engine.OPENVINO).encode(pixels)
    parity = compare(quantized, found)
    assert parity.cosine_min >= 0.999
    assert parity.top1_agreement >= 0.98


def test_photographs_of_different_places_have_different_embeddings(quantized):
    embedding = quantized.embedding
    assert np.median(cosine_per_row(embedding[:-1], embedding[1:])) < 0.98


@pytest.mark.parametrize("engine", [Engine.ONNXRUNTIME, Engine.OPENVINO])
def test_engines_reproduce_the_golden_outputs(bundle_folder, engine):
    pytest.importorskip(engine.value)
    golden = load_file(bundle_folder / "golden.safetensors")
    found = open_graph(bundle_folder / "encoder.int8.onnx", engine).encode(golden["pixels"])
    assert len(golden["pixels"]) == 4
    assert cosine_per_row(found.embedding, golden["image_embedding"]).min() >= 0.999
    assert cosine_per_row(found.cell_logits, golden["cell_logits"]).min() >= 0.999
    assert (found.cell_logits.argmax(axis=1) == golden["cell_logits"].argmax(axis=1)).all()


def test_reduced_decode_of_large_jpegs_gives_the_embedding_of_the_full_one(planet, held_out, spec, tmp_path):
    pairs = []
    for number, row in enumerate(held_out[:12]):
        large = Image.open(row.path).resize((1600, 1200), Image.Resampling.BICUBIC)
        large.save(tmp_path / f"{number}.jpg", quality=90)
        path = tmp_path / f"{number}.jpg"
        pairs.append((read_pixels(path, spec), to_pixels(read_rgb(path), spec)))
    reduced, full = (np.stack(side) for side in zip(*pairs, strict=True))
    encoder = open_graph(planet / "encoder.int8.onnx")
    cosine = cosine_per_row(encoder.encode(reduced).embedding, encoder.encode(full).embedding)
    assert cosine.min() >= 0.995
