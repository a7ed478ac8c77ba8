"""What refinement asks of a gallery, and what it answers with; every mode of refinement has these two in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class Retrieval(Protocol):
    """Photographs with known coordinates, in location clusters of geocells; ``retrieval.gallery.Gallery`` answers.

    Distances are Euclidean, between vectors of unit length.
    """

    def nearest_clusters(self, embedding: Floats, cells: Ids, count: int) -> tuple[Ids, Floats]:
        """Return the ``count`` clusters of each of (T,) cells with the nearest prototypes, and their distances.

        Both are (T, count), nearest first; where a cell has fewer, -1 at infinite distance.
        """
        ...

    def nearest_photographs(self, embedding: Floats, clusters: Ids, count: int) -> tuple[Ids, Floats]:
        """Return the rows of the ``count`` nearest photographs in each of (K,) clusters, and their distances.

        Both are (K, count), nearest first; where a cluster has fewer, or is -1, -1 at infinite distance.
        """
        ...

    def lat_lng(self, rows: Ids) -> Doubles:
        """Return the coordinates (..., 2) of rows (...,)."""
        ...


@dataclass(frozen=True)
class Refined:
    """T candidates, best first: cells (T,), probability (T,) summing to 1, lat_lng (T, 2), photograph rows (T,).

    A row of -1 stands for the cell's centroid. ``moved_km`` lies between the first candidate and its cell's centroid.
    ``points`` (P, 2) with ``weights`` (P,), which sum to 1, are all that was weighed: the posterior over places.
    """

    cells: Ids
    probability: Doubles
    lat_lng: Doubles
    photographs: Ids
    moved_km: float
    points: Doubles
    weights: Doubles
