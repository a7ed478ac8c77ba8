"""The table of geocells and the posterior over it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pigeon_edge.bundle import Bundle
from pigeon_edge.errors import BundleError
from pigeon_edge.estimate import Levels, Place
from pigeon_edge.geodesy import haversine_km, unit_vectors

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CellTable:
    """C geocells: centroids (C, 2) in degrees, and the names of where they lie."""

    centroid_lat_lng: Floats
    places: tuple[Place, ...]

    @cached_property
    def country_ids(self) -> npt.NDArray[np.int64]:
        """(C,) equal for cells of one country."""
        return _ids([(place.country_code, place.country) for place in self.places])

    @cached_property
    def admin1_ids(self) -> npt.NDArray[np.int64]:
        """(C,) equal for cells of one first-level region."""
        return _ids([(place.country_code, place.country, place.admin1) for place in self.places])

    @cached_property
    def reach_km(self) -> Floats:
        """(C,) half the distance to the nearest other centroid: how far a cell extends, roughly."""
        vectors = unit_vectors(self.centroid_lat_lng)
        cosines = vectors @ vectors.T  # (C, C)
        np.fill_diagonal(cosines, -2.0)
        return haversine_km(self.centroid_lat_lng, self.centroid_lat_lng[cosines.argmax(axis=1)]) / 2

    def levels(self, posterior: Floats, cell: int) -> Levels:
        """Return the posterior mass (C,) that agrees with a cell on country, on region, and on the cell itself."""
        country = posterior[self.country_ids == self.country_ids[cell]].sum()
        admin1 = posterior[self.admin1_ids == self.admin1_ids[cell]].sum()
        return Levels(float(country), float(admin1), float(posterior[cell]))


def open_cells(bundle: Bundle) -> CellTable:
    """Read the geocells of a bundle. Raises BundleError where tables and manifest disagree on their number."""
    centroids = bundle.array("cells/centroid_lat_lng.npy")
    try:
        records = json.loads(bundle.file("cells/places.json").read_text(encoding="utf-8"))
        places = tuple(Place(**record) for record in records)
    except (ValueError, TypeError, RecursionError) as error:
        raise BundleError(f"{bundle.path}/cells/places.json: malformed ({error}); copy the bundle again") from error
    count = bundle.description.cells
    if centroids.shape != (count, 2) or centroids.dtype.kind != "f" or len(places) != count:
        raise BundleError(
            f"{bundle.path}: expected {count} cells, found {centroids.dtype} centroids of shape {centroids.shape}, "
            f"{len(places)} places; copy the bundle again"
        )
    return CellTable(centroids.astype(np.float64), places)


def posterior(logits: npt.NDArray[np.floating], temperature: float) -> Floats:
    """Return softmax(logits / temperature) over the last axis, (..., C)."""
    scaled = logits.astype(np.float64) / temperature
    exponential = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponential / exponential.sum(axis=-1, keepdims=True))


def _ids(keys: list[tuple[str, ...]]) -> npt.NDArray[np.int64]:
    index = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([index[key] for key in keys], np.int64)
