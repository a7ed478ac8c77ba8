"""The parts of a bundle, read: geocells, gallery, confidence, environment."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.cells import CellTable
from pigeon_edge.answer.confidence import ConfidenceSettings, read_confidence
from pigeon_edge.answer.environment import EnvironmentSettings, read_environment
from pigeon_edge.answer.estimate import Place
from pigeon_edge.bundle.format import ENVIRONMENT, Bundle
from pigeon_edge.errors import BundleError
from pigeon_edge.retrieval.gallery import Gallery, parts_of, read_index


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


def open_gallery(bundle: Bundle) -> Gallery:
    """Map the gallery of a bundle. Raises BundleError where it does not fit the manifest's counts."""
    index = read_index(bundle.file("gallery/index.faiss"))
    offsets, lat_lng = np.array(bundle.array("gallery/cell_offsets.npy")), bundle.array("gallery/lat_lng.npy")
    told = bundle.description
    nlist = parts_of(index)[1].nlist
    expected = (told.clusters, told.photographs, told.embedding_width, (told.cells + 1,), (told.photographs, 2))
    found = (nlist, index.ntotal, index.d, offsets.shape, lat_lng.shape)
    if found != expected or not _are_offsets(offsets, told.clusters) or lat_lng.dtype.kind != "f":
        raise BundleError(
            f"{bundle.path}: gallery of {found} where the manifest says {expected}; copy the bundle again"
        )
    return Gallery(index, offsets, lat_lng)


def open_confidence(bundle: Bundle) -> ConfidenceSettings:
    """Read a bundle's confidence settings. Raises BundleError where they are malformed."""
    return read_confidence(bundle.file("confidence.json"))


def open_environment(bundle: Bundle) -> EnvironmentSettings | None:
    """Return the settings that decode a bundle's environment outputs, or None. Raises BundleError where malformed."""
    return read_environment(bundle.file(ENVIRONMENT)) if ENVIRONMENT in bundle.files else None


def _are_offsets(offsets: npt.NDArray[Any], count: int) -> bool:
    whole = offsets.dtype.kind == "i" and offsets[0] == 0 and offsets[-1] == count
    return bool(whole and (np.diff(offsets) >= 0).all())
