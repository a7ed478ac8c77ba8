"""The table of geocells and the posterior over it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.estimate import Levels, Place
from pigeon_edge.geodesy import haversine_km, unit_vectors

Floats = npt.NDArray[np.float64]

_NEIGHBOURHOOD, _NEIGHBOURHOODS = 400, 16
"""Cells in a neighbourhood of the search for the nearest, on average, and how many neighbourhoods are searched."""


@dataclass(frozen=True)
class CellTable:
    """C geocells: centroids (C, 2) in degrees, and the names of where they lie."""

    centroid_lat_lng: Floats
    places: tuple[Place, ...]

    @cached_property
    def country_ids(self) -> npt.NDArray[np.int64]:
        """(C,) equal for cells of one country; a cell without a country's name is of one of its own."""
        return _ids([(place.country_code, place.country) for place in self.places])

    @cached_property
    def admin1_ids(self) -> npt.NDArray[np.int64]:
        """(C,) equal for cells of one first-level region; a cell without any name is of one of its own."""
        return _ids([(place.country_code, place.country, place.admin1) for place in self.places])

    @cached_property
    def reach_km(self) -> Floats:
        """(C,) half the distance to the nearest other centroid: how far a cell extends, roughly."""
        nearest = nearest_other(unit_vectors(self.centroid_lat_lng))
        return haversine_km(self.centroid_lat_lng, self.centroid_lat_lng[nearest]) / 2

    def levels(self, posterior: Floats, cell: int) -> Levels:
        """Return the posterior mass (C,) that agrees with a cell on country, on region, and on the cell itself."""
        country = posterior[self.country_ids == self.country_ids[cell]].sum()
        admin1 = posterior[self.admin1_ids == self.admin1_ids[cell]].sum()
        return Levels(float(country), float(admin1), float(posterior[cell]))


def posterior(logits: npt.NDArray[np.floating], temperature: float) -> Floats:
    """Return softmax(logits / temperature) over the last axis, (..., C)."""
    scaled = logits.astype(np.float64) / temperature
    exponential = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponential / exponential.sum(axis=-1, keepdims=True))


def nearest_other(vectors: Floats) -> npt.NDArray[np.int64]:
    """Return (C,) the row of the nearest other one of unit vectors (C, 3); of a single one, itself.

    Sought in the nearest neighbourhoods, which are all of them up to some thousands of cells: a hundred thousand take
    a second and no table of their distances.
    """
    import faiss  # here, not above: pigeon-edge doctor must start where it is missing or aborts

    points = np.ascontiguousarray(vectors, np.float32)
    quantizer: Any = faiss.IndexFlatL2(3)
    index: Any = faiss.IndexIVFFlat(quantizer, 3, max(len(points) // _NEIGHBOURHOOD, 1))
    index.cp.min_points_per_centroid = 1  # else faiss warns on stderr of every small table
    index.train(points)
    index.add(points)
    index.nprobe = _NEIGHBOURHOODS
    _, found = index.search(points, 2)
    own = np.arange(len(points))
    nearest = np.where(found[:, 0] == own, found[:, 1], found[:, 0])
    return np.where(nearest < 0, own, nearest)


def _ids(keys: list[tuple[str, ...]]) -> npt.NDArray[np.int64]:
    """Return equal numbers for equal keys, and for a key without any name a number of its own."""
    named = [key if any(key) else (number,) for number, key in enumerate(keys)]
    index = {key: number for number, key in enumerate(dict.fromkeys(named))}
    return np.array([index[key] for key in named], np.int64)
