"""What a model has to beat: the constant guess, and the nearest neighbour on tiny images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import faiss
import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import haversine_km
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.manifest import PhotoRow, lat_lng_of_rows
from pigeon_training.data.streaming import Batch, PhotoStream, singles

Doubles = npt.NDArray[np.float64]

TINY_PX = 32
"""Side of a tiny image (Torralba, Fergus and Freeman 2008), the feature that Im2GPS too compares with."""

GALLERY = 50_000
"""Training photographs that are looked at, at most, evenly spaced: reading them is what this baseline costs."""

BATCH = 1024


def constant_guess(training_lat_lng: Doubles, lat_lng: Doubles) -> Doubles:
    """Return (N,) errors in km of always naming one training place: the nearest to all others (the medoid)."""
    return haversine_km(medoid(training_lat_lng), lat_lng)


def medoid(lat_lng: Doubles) -> Doubles:
    """Return the one of points (N, 2) nearest to all others, sought among 500 evenly spaced ones."""
    candidates = lat_lng[:: max(len(lat_lng) // 500, 1)]
    total_km = haversine_km(candidates[:, None], candidates[None]).sum(axis=1)
    return np.asarray(candidates[int(total_km.argmin())])


def nearest_pixels(training: Sequence[PhotoRow], rows: Sequence[PhotoRow]) -> Doubles:
    """Return (N,) errors in km, for N rows, of naming the place of the training photograph with the nearest pixels.

    Near in Euclidean distance over tiny images. Training photographs are read batch by batch, unreadable ones left
    out. Raises InputError where none can be read, ValueError where one of ``rows`` cannot.
    """
    queries = np.concatenate([_flat(batch.pixels) for batch in _tiny(rows)])
    if len(queries) != len(rows):
        raise ValueError(f"{len(queries)} of {len(rows)} photographs can be read")
    best = np.full(len(rows), np.inf, np.float32)
    answer = np.zeros((len(rows), 2))
    for batch in _tiny(training[:: -(-len(training) // GALLERY)]):
        if batch.rows:
            distance, row = faiss.knn(queries, _flat(batch.pixels), 1)
            nearer = distance[:, 0] < best
            best[nearer] = distance[nearer, 0]
            answer[nearer] = lat_lng_of_rows(batch.rows)[row[nearer, 0]]
    return haversine_km(answer, lat_lng_of_rows(rows))


def _tiny(rows: Sequence[PhotoRow]) -> Iterator[Batch]:
    return PhotoStream(singles(rows), PreprocessSpec(TINY_PX), BATCH).in_order()


def _flat(pixels: Pixels) -> npt.NDArray[np.float32]:
    return pixels.reshape(len(pixels), -1).astype(np.float32)
