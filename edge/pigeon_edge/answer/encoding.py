"""What an encoder gives of photographs: embeddings, geocell logits and, where they were trained, other tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

TASK_OUTPUTS = ("regressions", "climate_logits", "month_logits")
"""What an encoder may give besides embeddings and logits; ``environment.py`` has their meaning."""


@dataclass(frozen=True)
class Encoding:
    """Of N photographs: embedding (N, D) float32 as the graph gives it, cell_logits (N, C) float32.

    ``tasks`` holds those of ``TASK_OUTPUTS`` that the graph has, (N, K) float32 each.
    """

    embedding: npt.NDArray[np.float32]
    cell_logits: npt.NDArray[np.float32]
    tasks: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


def unit(embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return embeddings (..., D) scaled to unit length, as galleries hold them."""
    length = np.linalg.norm(embedding, axis=-1, keepdims=True)
    return np.asarray(embedding / np.maximum(length, np.finfo(np.float32).tiny), np.float32)
