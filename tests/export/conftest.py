"""Tiny random towers, heads and pixels, the same on every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

TINY = {
    "hidden_size": 48,
    "num_attention_heads": 3,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture
def vision_config() -> Callable[..., CLIPVisionConfig]:
    return lambda **settings: CLIPVisionConfig(**(TINY | settings))


@pytest.fixture
def make_tower(vision_config: Callable[..., CLIPVisionConfig]) -> Callable[..., CLIPVisionModel]:
    """Return a tower whose every weight is random, biases and norms included, so that none can be forgotten."""

    def make(**settings: Any) -> CLIPVisionModel:
        torch.manual_seed(7)
        tower = CLIPVisionModel(vision_config(**settings)).eval()
        with torch.no_grad():
            for weight in tower.parameters():
                weight.add_(torch.randn_like(weight) * 0.05)
        return tower

    return make


@pytest.fixture
def make_heads() -> Callable[..., dict[str, np.ndarray]]:
    def make(width: int = 48, cells: int = 11) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(3)
        weight = rng.normal(size=(cells, width)).astype(np.float32)
        return {"cells.weight": weight, "cells.bias": rng.normal(size=cells).astype(np.float32)}

    return make


@pytest.fixture
def make_pixels() -> Callable[..., np.ndarray]:
    def make(count: int = 4, size: int = 32) -> np.ndarray:
        return np.random.default_rng(5).integers(0, 256, (count, size, size, 3), dtype=np.uint8)

    return make
