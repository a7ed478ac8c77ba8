"""What an earlier system is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError

Embeddings: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Ids: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Photographs:
    """N photographs: embedding (N, D) float32, lat_lng (N, 2) degrees."""

    embedding: Embeddings
    lat_lng: Doubles

    def __post_init__(self) -> None:
        """Raise InputError for no photographs, or for shapes that do not fit."""
        count = len(self.lat_lng)
        if count == 0 or self.embedding.ndim != 2 or len(self.embedding) != count or self.lat_lng.shape != (count, 2):
            raise InputError(
                f"expected embeddings (N, D) and coordinates (N, 2) of one photograph or more, found "
                f"{self.embedding.shape} and {self.lat_lng.shape}; embed the photographs again"
            )


Locate: TypeAlias = Callable[[Photographs, Photographs, Embeddings], Doubles]
"""A system: training photographs, validation photographs and queries (Q, D) to answers (Q, 2) in degrees.

The answers depend on nothing else, and where the queries were taken is not among what a system sees.
"""
