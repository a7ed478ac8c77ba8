"""Embeddings brought to mean 0 and deviation 1 for training, and heads brought back to embeddings as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pigeon_training.learning.heads.examples import Floats, SampleEmbeddings
from pigeon_training.model.geocell_model import Heads

_ROWS_AT_A_TIME = 2**14
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, eq=False)
class Standard:
    """The mean (D,) and deviation (D,) of training embeddings, float32 on the device that trains.

    A CLIP embedding has a large mean that all photographs share, and channels of very different loudness: on them as
    they are, a gradient step that suits one channel is far too long or too short for the others.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def of(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return embeddings (N, D) on the scale that heads are trained on."""
        return (embedding - self.mean) / self.deviation

    def fold(self, heads: Heads) -> None:
        """Change heads trained on standardised embeddings so that they say the same of embeddings as they are."""
        with torch.no_grad():
            for name in heads:
                weight, bias = heads.get_parameter(f"{name}.weight"), heads.get_parameter(f"{name}.bias")
                weight.div_(self.deviation)
                bias.sub_(weight @ self.mean)


def fit_standard(embedding: Floats | SampleEmbeddings, device: torch.device) -> Standard:
    """Return the standard of embeddings (S, D), read a part at a time; a channel that never varies is left as it is."""
    count, width = embedding.shape
    total, squares = np.zeros(width), np.zeros(width)
    for start in range(0, count, _ROWS_AT_A_TIME):
        part = embedding[np.arange(start, min(start + _ROWS_AT_A_TIME, count))].astype(np.float64)
        total += part.sum(axis=0)
        squares += np.square(part).sum(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    deviation[deviation < _LEAST_DEVIATION * np.maximum(np.abs(mean), 1.0)] = 1.0
    return Standard(*(torch.from_numpy(values.astype(np.float32)).to(device) for values in (mean, deviation)))
