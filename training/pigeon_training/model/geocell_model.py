"""The model: a CLIP vision tower and linear heads. Forward only: no files, no loss, no device."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.presets import TowerPreset


class Heads(nn.ModuleDict):
    """Linear layers from an embedding, by name: ``cells``, and those of ``tasks.TASK_SIZES`` where they are trained."""

    def __init__(self, width: int, sizes: Mapping[str, int]) -> None:
        super().__init__({name: nn.Linear(width, size) for name, size in sizes.items()})

    def forward(self, embedding: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the output (N, size) of each head for embeddings (N, D)."""
        return {name: head(embedding) for name, head in self.items()}


class GeocellModel(nn.Module):
    """A tower and its heads."""

    def __init__(self, tower: CLIPVisionModel, heads: Heads) -> None:
        super().__init__()
        self.tower = tower
        self.heads = heads

    def forward(
        self, pixel_values: torch.Tensor, sample: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return embeddings (S, D) and head outputs (S, size) of normalised images (N, 3, H, W) float.

        ``sample`` (N,) numbers the sample of each image, as ``mean_of_views`` takes it; without, each is its own.
        """
        embedding = embed_images(self.tower, pixel_values)
        if sample is not None:
            embedding = mean_of_views(embedding, sample)
        return embedding, self.heads(embedding)


def embed_images(tower: CLIPVisionModel, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return embeddings (N, D): the mean over all tokens of the last hidden state (Haas et al. 2024)."""
    return torch.as_tensor(tower(pixel_values=pixel_values).last_hidden_state).mean(dim=1)  # (N, T, D) to (N, D)


def mean_of_views(embedding: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Return (S, D) the mean embedding of each sample's views: (N, D), numbered by ``sample`` (N,) 0 to S - 1."""
    count = torch.bincount(sample).to(embedding.dtype)  # (S,)
    return embedding.new_zeros(len(count), embedding.shape[1]).index_add(0, sample, embedding) / count[:, None]


def new_tower(preset: TowerPreset) -> CLIPVisionModel:
    """Return a tower of a preset's shape with random weights: the class that also loads published CLIP weights."""
    return CLIPVisionModel(vision_config(preset))


def vision_config(preset: TowerPreset) -> CLIPVisionConfig:
    """Return a preset's shape as transformers writes it."""
    return CLIPVisionConfig(
        image_size=preset.image_size_px,
        patch_size=preset.patch_px,
        hidden_size=preset.width,
        num_hidden_layers=preset.layers,
        num_attention_heads=preset.heads,
        intermediate_size=preset.mlp_width,
        # On a CPU in bfloat16, with the few tokens of a small image, plain attention trains faster than fused.
        attn_implementation="eager",
    )


def geocell_model(
    tower: CLIPVisionModel, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]
) -> GeocellModel:
    """Return a tower with a head of weight (C, D) and bias (C,). Raises InputError where it is of another tower."""
    if weight.shape != (len(bias), tower.config.hidden_size):
        raise InputError(
            f"expected cells.weight (C, {tower.config.hidden_size}) and cells.bias (C,), found {weight.shape} and "
            f"{bias.shape}; take the heads that were fitted on this tower"
        )
    heads = Heads(tower.config.hidden_size, {"cells": len(bias)})
    heads.load_state_dict({"cells.weight": torch.from_numpy(weight), "cells.bias": torch.from_numpy(bias)})
    return GeocellModel(tower, heads).eval()


def planes(pixels: torch.Tensor) -> torch.Tensor:
    """Return images (N, 3, S, S) float32 in 0..1 of pixels (N, S, S, 3) uint8."""
    return pixels.permute(0, 3, 1, 2).float() / 255.0  # (N, 3, S, S)


def normalise(images: torch.Tensor, spec: PreprocessSpec) -> torch.Tensor:
    """Return images (N, 3, S, S) in 0..1 on the scale that the tower takes."""
    mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    return (images - mean) / std
