"""How an embedding is read out of the tokens of a vision tower: PIGEON's way, or CLIP's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A linear layer from I to O: weight (O, I), bias (O,); ``rectified`` where a ReLU follows."""

    weight: Floats
    bias: Floats
    rectified: bool = False


@dataclass(frozen=True)
class MeanTokens:
    """The mean over all tokens, without post-layernorm or projection (Haas et al. 2024)."""

    def width(self, hidden_size: int) -> int:
        """Return the width of the embedding of a tower whose tokens are ``hidden_size`` wide."""
        return hidden_size


@dataclass(frozen=True)
class ClassToken:
    """The class token, post-layernorm, these layers one after another, and a length of 1 (Radford et al. 2021).

    CLIP has one layer, its visual projection; GeoCLIP two more on top.
    """

    layers: tuple[Layer, ...]

    def width(self, hidden_size: int) -> int:
        """Return the width of the embedding of a tower whose tokens are ``hidden_size`` wide."""
        return len(self.layers[-1].weight) if self.layers else hidden_size


Readout: TypeAlias = MeanTokens | ClassToken

MEAN_TOKENS = MeanTokens()


def projection(weight: Floats) -> Layer:
    """Return the layer of a projection (O, I) without a bias."""
    return Layer(weight, np.zeros(len(weight), np.float32))
