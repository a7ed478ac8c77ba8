"""A tiny encoder graph and photographs, the same on every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel

from pigeon_edge.answer.confidence import UNFITTED
from pigeon_edge.bundle.format import Bundle
from pigeon_edge.bundle.parts import open_cells, open_gallery
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.locator import Locator
from pigeon_edge.testing import FakeEncoder, write_tiny_bundle
from pigeon_export.graph.to_onnx import to_onnx


@pytest.fixture(scope="session")
def _encoder() -> onnx.ModelProto:
    config = CLIPVisionConfig(
        hidden_size=128, num_attention_heads=4, intermediate_size=512, num_hidden_layers=3, image_size=32, patch_size=8
    )
    torch.manual_seed(11)
    rng = np.random.default_rng(11)
    weight = rng.normal(size=(7, 128)).astype(np.float32)
    return to_onnx(
        CLIPVisionModel(config), PreprocessSpec(32), {"cells.weight": weight, "cells.bias": np.zeros(7, np.float32)}
    )


@pytest.fixture
def encoder(_encoder: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph of its own for each test."""
    copy = onnx.ModelProto()
    copy.CopyFrom(_encoder)
    return copy


@pytest.fixture
def graph(tmp_path: Path, encoder: onnx.ModelProto) -> Path:
    onnx.save_model(encoder, str(tmp_path / "encoder.onnx"))
    return tmp_path / "encoder.onnx"


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Return a folder of 24 photographs in two subfolders, and one file that is none."""
    rng = np.random.default_rng(2)
    for number in range(24):
        folder = tmp_path / "photographs" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((60, 40)).save(folder / f"{number:02}.png")
    (tmp_path / "photographs" / "notes.txt").write_text("no photograph")
    return tmp_path / "photographs"


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Return the bundle of the three-cell world."""
    return write_tiny_bundle(tmp_path / "tiny.pigeon")


@pytest.fixture
def locator(bundle: Bundle) -> Locator:
    """Return its locator, with the fake encoder."""
    told = bundle.description
    return Locator(
        told.preprocess, FakeEncoder(), open_cells(bundle), open_gallery(bundle), told.refinement, UNFITTED, "tiny"
    )
