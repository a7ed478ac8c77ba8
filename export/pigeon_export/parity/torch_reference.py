"""The torch reference of a model, which its graphs and engines are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import CLIPVisionModel

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.encoders.protocol import encoding_of
from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_export.graph.heads import GraphHead, graph_heads
from pigeon_export.graph.readout import MEAN_TOKENS, MeanTokens, Readout
from pigeon_training.data.tasks import RegressionScale
from pigeon_training.model.exported_tower import HeadArrays, load_tower, read_heads, read_spec
from pigeon_training.model.model_folder import read_scale


class TorchEncoder:
    """The reference: transformers' own forward pass, with an embedding read out of it and the heads on top."""

    def __init__(
        self,
        tower: CLIPVisionModel,
        spec: PreprocessSpec,
        heads: HeadArrays | None,
        readout: Readout = MEAN_TOKENS,
        scale: RegressionScale | None = None,
    ) -> None:
        self._tower = tower.eval()
        self._readout = readout
        self._size_px = spec.size_px
        self._mean, self._std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
        self._heads = graph_heads(heads, scale, readout.width(tower.config.hidden_size))

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of (N, S, S, 3) uint8; cell_logits are (N, 0) without heads.

        Raises InputError on another S.
        """
        if pixels.shape[1:] != (self._size_px, self._size_px, 3):
            raise InputError(f"expected pixels (N, {self._size_px}, {self._size_px}, 3), found {pixels.shape}")
        with torch.inference_mode():
            planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
            embedding = self._embedding(self._tower(pixel_values=(planes - self._mean) / self._std))
            on_top = {head.output: _linear(embedding, head).numpy() for head in self._heads}
        without_cells = {"cell_logits": np.empty((len(pixels), 0), np.float32)}
        return encoding_of({"image_embedding": embedding.numpy(), **without_cells, **on_top})

    def _embedding(self, output: Any) -> torch.Tensor:
        if isinstance(self._readout, MeanTokens):
            return torch.as_tensor(output.last_hidden_state.mean(dim=1))
        vector = output.pooler_output  # the class token after post-layernorm
        for layer in self._readout.layers:
            vector = functional.linear(vector, torch.from_numpy(layer.weight), torch.from_numpy(layer.bias))
            vector = functional.relu(vector) if layer.rectified else vector
        return functional.normalize(vector, dim=1)


def _linear(embedding: torch.Tensor, head: GraphHead) -> torch.Tensor:
    return functional.linear(embedding, torch.from_numpy(head.weight), torch.from_numpy(head.bias))


def open_reference(model: str) -> tuple[TorchEncoder, PreprocessSpec]:
    """Return the reference of a folder or hub id in transformers' format, with its heads, and how it wants its pixels.

    Raises InputError where the model cannot be read.
    """
    tower, folder = load_tower(model), Path(model)
    spec = read_spec(model, tower)
    return TorchEncoder(tower, spec, read_heads(folder), scale=read_scale(folder)), spec
