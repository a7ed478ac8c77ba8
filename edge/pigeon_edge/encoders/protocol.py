"""The seam for the hardware: pixels in, embeddings and geocell logits out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import EngineError
from pigeon_edge.preprocess import Pixels

INPUT = "pixels"
OUTPUTS = ("image_embedding", "cell_logits")
"""What an encoder graph is fed, and what it must give."""


@dataclass(frozen=True)
class Encoding:
    """Of N photographs: embedding (N, D) float32 as the graph gives it, cell_logits (N, C) float32."""

    embedding: npt.NDArray[np.float32]
    cell_logits: npt.NDArray[np.float32]


class Encoder(Protocol):
    """Runs the encoder graph. ``pixels`` are (N, S, S, 3) uint8 for any N >= 1."""

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of N photographs."""
        ...


def check_names(graph: Path, inputs: Collection[str], outputs: Collection[str]) -> None:
    """Raise EngineError where a graph does not have the input and the outputs of an encoder."""
    missing = [name for name in (INPUT,) if name not in inputs] + [name for name in OUTPUTS if name not in outputs]
    if missing:
        found = ", ".join([*inputs, *outputs])
        raise EngineError(f"{graph}: an encoder has {', '.join(missing)}, found only {found}; export the graph again")


def unit(embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return embeddings (..., D) scaled to unit length, as galleries hold them."""
    length = np.linalg.norm(embedding, axis=-1, keepdims=True)
    return np.asarray(embedding / np.maximum(length, np.finfo(np.float32).tiny), np.float32)
