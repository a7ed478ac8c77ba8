"""Vision transformers of CLIP's class with random weights, and passes that make their activations look like CLIP's.

CLIP's towers have a few channels that are a hundred times louder than the rest, and tokens that are. A pass multiplies
channels of one tensor and divides the weights that read them, so that the function stays what it was, or it plants a
loud token. Everything is a function of the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel

from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_export.graph.readout import ClassToken
from pigeon_export.graph.to_onnx import to_onnx

PATCH = 16
CELLS = 64

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """The size of a tower: the width of its tokens, its layers, and its square images."""

    width: int
    layers: int = 12
    size_px: int = 64
    activation: str = "quick_gelu"


def tower(shape: Shape, seed: int) -> onnx.ModelProto:
    """Return the graph of a tower with a head: no layer is idle, attention is not uniform, channels differ."""
    config = CLIPVisionConfig(
        hidden_size=shape.width, intermediate_size=4 * shape.width, num_hidden_layers=shape.layers,
        num_attention_heads=shape.width // 64, image_size=shape.size_px, patch_size=PATCH, hidden_act=shape.activation,
    )  # fmt: skip
    model = CLIPVisionModel(config)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, values in model.named_parameters():
            values.copy_(torch.from_numpy(_drawn(rng, name, tuple(values.shape))))
    weight = rng.normal(size=(CELLS, shape.width)).astype(np.float32)
    heads = {"cells.weight": weight, "cells.bias": np.zeros(CELLS, np.float32)}
    return to_onnx(model, PreprocessSpec(shape.size_px), heads, ClassToken(()))


def _drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Floats:
    """Return a parameter: gains around 1, biases around 0, weights that keep the variance of what they read."""
    if "norm" in name:
        values = np.exp(rng.normal(0, 0.3, shape)) if name.endswith("weight") else rng.normal(0, 0.2, shape)
    elif name.endswith("bias"):
        values = rng.normal(0, 0.1, shape)
    elif "embedding" in name:
        values = rng.normal(0, 0.05 if "patch" in name else 0.5, shape)
    else:
        values = rng.normal(0, shape[1] ** -0.5, shape)
    return values.astype(np.float32)


def photographs(count: int, size_px: int, seed: int) -> Pixels:
    """Return pixels (count, S, S, 3) uint8 of smooth random pictures."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(c).resize((size_px, size_px), Image.Resampling.BICUBIC)) for c in coarse]
    )


def with_loud_channels(model: onnx.ModelProto, loudness: float, channels: int, seed: int) -> onnx.ModelProto:
    """Multiply channels of every layer's LayerNorms and of V, and divide the weights that read them."""
    rng, changed = np.random.default_rng(seed), _Changed(model)
    for layer in range(changed.layers):
        name = f"layers.{layer}"
        for norm, reader in (("norm1", "qkv"), ("norm2", "fc1")):
            chosen = changed.choose(rng, f"{name}.{norm}.weight", channels)
            changed.scale((f"{name}.{norm}.weight", f"{name}.{norm}.bias"), chosen, loudness)
            changed.scale_rows(f"{name}.{reader}.weight", chosen, 1 / loudness)
        chosen = changed.choose(rng, f"{name}.norm1.weight", channels)
        width = changed.size(f"{name}.norm1.weight")
        changed.scale((f"{name}.qkv.weight", f"{name}.qkv.bias"), 2 * width + chosen, loudness)  # V is the last third
        changed.scale_rows(f"{name}.attention_output.weight", chosen, 1 / loudness)
    return changed.model


def with_loud_neurons(model: onnx.ModelProto, loudness: float, channels: int, seed: int) -> onnx.ModelProto:
    """Make FC2's input loud in some neurons: FC1 drives them ``loudness`` times as hard, FC2 reads them as much less.

    The activation is not homogeneous, so that this is another function, not the same one.
    """
    rng, changed = np.random.default_rng(seed), _Changed(model)
    for layer in range(changed.layers):
        name = f"layers.{layer}"
        chosen = changed.choose(rng, f"{name}.fc1.bias", channels)
        changed.scale((f"{name}.fc1.weight", f"{name}.fc1.bias"), chosen, loudness)
        changed.scale_rows(f"{name}.fc2.weight", chosen, 1 / loudness)
    return changed.model


def with_loud_tokens(model: onnx.ModelProto, loudness: float, channels: int, seed: int) -> onnx.ModelProto:
    """Give the last token, and no other, massive activations (Sun et al. 2024).

    Some channels of its residual stream are loud in every layer, and some neurons of every FC1 fire for it alone. It is
    another function than before.
    """
    rng, changed = np.random.default_rng(seed), _Changed(model)
    chosen = changed.choose(rng, "pre_norm.weight", channels)
    signs = rng.choice(np.float32([-1, 1]), channels)
    changed.values["positions.table"][-1, chosen] = 9 * signs  # (1 + patches, D)
    changed.values["pre_norm.weight"][chosen] = loudness / 4
    changed.values["pre_norm.bias"][chosen] = 0
    peak = (changed.size("pre_norm.weight") / channels) ** 0.5  # of a normed token that is nothing but these channels
    for layer in range(changed.layers):
        neurons = changed.choose(rng, f"layers.{layer}.fc1.bias", channels)
        changed.values[f"layers.{layer}.fc1.weight"][:, neurons] = 0
        changed.values[f"layers.{layer}.fc1.weight"][np.ix_(chosen, neurons)] = (loudness / peak / channels * signs)[
            :, None
        ]
        changed.values[f"layers.{layer}.fc1.bias"][neurons] = -loudness / 3
        changed.scale_rows(f"layers.{layer}.fc2.weight", neurons, 1 / loudness)
    return changed.model


class _Changed:
    """A copy of a graph whose weights are changed by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        self.values = {t.name: numpy_helper.to_array(t).copy() for t in self._model.graph.initializer}
        self.layers = sum(name.endswith(".fc1.bias") for name in self.values)

    @property
    def model(self) -> onnx.ModelProto:
        for tensor in self._model.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(self.values[tensor.name], tensor.name))
        return self._model

    def size(self, name: str) -> int:
        return len(self.values[name])

    def choose(self, rng: np.random.Generator, name: str, count: int) -> npt.NDArray[np.int64]:
        return rng.choice(self.size(name), count, replace=False)

    def scale(self, names: tuple[str, ...], columns: npt.NDArray[np.int64], factor: float) -> None:
        for name in names:
            self.values[name][..., columns] *= np.float32(factor)

    def scale_rows(self, name: str, rows: npt.NDArray[np.int64], factor: float) -> None:
        self.values[name][rows] *= np.float32(factor)
