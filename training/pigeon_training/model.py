"""The model: a CLIP vision tower and a linear geocell head. Forward only: no files, no loss, no device."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from pigeon_edge.errors import InputError
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_training.presets import TowerPreset


class GeocellModel(nn.Module):
    """A tower and ``cells``, a linear layer from its embedding to geocell logits."""

    def __init__(self, tower: CLIPVisionModel, cell_count: int) -> None:
        super().__init__()
        self.tower = tower
        self.cells = nn.Linear(tower.config.hidden_size, cell_count)

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the embedding (N, D) and cell logits (N, C) of normalised images (N, 3, S, S) float.

        The embedding is the mean over all tokens of the last hidden state (Haas et al. 2024).
        """
        tokens = self.tower(pixel_values=pixel_values).last_hidden_state  # (N, T, D)
        embedding = tokens.mean(dim=1)  # (N, D)
        return embedding, self.cells(embedding)


def new_tower(preset: TowerPreset) -> CLIPVisionModel:
    """Return a tower of a preset's shape with random weights: the class that also loads published CLIP weights."""
    config = CLIPVisionConfig(
        image_size=preset.image_size_px,
        patch_size=preset.patch_px,
        hidden_size=preset.width,
        num_hidden_layers=preset.layers,
        num_attention_heads=preset.heads,
        intermediate_size=preset.mlp_width,
        # On a CPU in bfloat16, with the few tokens of a small image, plain attention trains faster than fused.
        attn_implementation="eager",
    )
    return CLIPVisionModel(config)


def geocell_model(
    tower: CLIPVisionModel, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]
) -> GeocellModel:
    """Return a tower with a head of weight (C, D) and bias (C,). Raises InputError where it is of another tower."""
    if weight.shape != (len(bias), tower.config.hidden_size):
        raise InputError(
            f"expected cells.weight (C, {tower.config.hidden_size}) and cells.bias (C,), found {weight.shape} and "
            f"{bias.shape}; take the heads that were fitted on this tower"
        )
    model = GeocellModel(tower, len(bias))
    model.cells.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    return model.eval()


def planes(pixels: torch.Tensor) -> torch.Tensor:
    """Return images (N, 3, S, S) float32 in 0..1 of pixels (N, S, S, 3) uint8."""
    return pixels.permute(0, 3, 1, 2).float() / 255.0  # (N, 3, S, S)


def normalise(images: torch.Tensor, spec: PreprocessSpec) -> torch.Tensor:
    """Return images (N, 3, S, S) in 0..1 on the scale that the tower takes."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    return (images - mean) / std
