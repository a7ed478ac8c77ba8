"""What a model has to beat: the constant guess, and the nearest neighbour on raw pixels."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import haversine_km
from pigeon_edge.photo_manifest import PhotoRow, lat_lng_of_rows
from pigeon_edge.preprocess import Pixels, PreprocessSpec
from pigeon_training.dataset import read_all_pixels

Doubles = npt.NDArray[np.float64]
CHUNK = 4096
"""Training photographs held at once: 450 MB of float32 at 96 px."""


def constant_guess(training_lat_lng: Doubles, lat_lng: Doubles) -> Doubles:
    """Return (N,) errors in km of always naming one training place: the nearest to all others (the medoid)."""
    return haversine_km(medoid(training_lat_lng), lat_lng)


def medoid(lat_lng: Doubles) -> Doubles:
    """Return the one of points (N, 2) nearest to all others, sought among 500 evenly spaced ones."""
    candidates = lat_lng[:: max(len(lat_lng) // 500, 1)]
    total_km = haversine_km(candidates[:, None], candidates[None]).sum(axis=1)
    return np.asarray(candidates[int(total_km.argmin())])


def nearest_pixels(training: Sequence[PhotoRow], spec: PreprocessSpec, pixels: Pixels, lat_lng: Doubles) -> Doubles:
    """Return (N,) errors in km of naming the place of the training photograph with the most similar raw pixels.

    Similar in Euclidean distance over (N, S, S, 3) pixels; training photographs are read chunk by chunk.
    """
    best = np.full(len(pixels), np.inf, np.float32)
    answer = np.zeros((len(pixels), 2))
    queries = _flat(pixels)
    for start in range(0, len(training), CHUNK):
        chunk = training[start : start + CHUNK]
        distance, row = faiss.knn(queries, _flat(read_all_pixels(chunk, spec)), 1)
        nearer = distance[:, 0] < best
        best[nearer] = distance[nearer, 0]
        answer[nearer] = lat_lng_of_rows(chunk)[row[nearer, 0]]
    return haversine_km(answer, lat_lng)


def _flat(pixels: Pixels) -> npt.NDArray[np.float32]:
    return pixels.reshape(len(pixels), -1).astype(np.float32)
