"""The nearest photographs of queries by the cosine of their embeddings: exact, in bounded memory."""

from __future__ import annotations

import faiss
import numpy as np

from pigeon_edge.errors import InputError
from pigeon_training.study.earlier.photographs import Doubles, Embeddings, Ids

CHUNK = 1 << 16
"""Photographs brought to unit length at once: 270 MB of float32 at width 1,024."""


def nearest(queries: Embeddings, gallery: Embeddings, k: int) -> tuple[Doubles, Ids]:
    """Return squared distances (Q, K) between embeddings of unit length, nearest first, and the rows (Q, K).

    K is the smaller of ``k`` and the M photographs of ``gallery`` (M, D); of equally near ones the first come first.
    Raises InputError for an embedding without a direction.
    """
    wanted = min(k, len(gallery))
    asked = unit_length(queries)
    squared, row = np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)
    for start in range(0, len(gallery), CHUNK):
        some = unit_length(gallery[start : start + CHUNK])
        cosine, place = faiss.knn(asked, some, min(wanted, len(some)), faiss.METRIC_INNER_PRODUCT)
        squared = np.hstack([squared, np.maximum(2 - 2 * cosine.astype(np.float64), 0.0)])
        row = np.hstack([row, place + start])
        order = np.lexsort((row, squared))[:, :wanted]
        squared, row = np.take_along_axis(squared, order, axis=1), np.take_along_axis(row, order, axis=1)
    return squared, row


def unit_length(embedding: Embeddings) -> Embeddings:
    """Return embeddings (N, D) divided by their lengths. Raises InputError where a length is 0 or not a number."""
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    if not (np.isfinite(length) & (length > 0)).all():
        raise InputError("expected embeddings of a positive length, found some without; embed the photographs again")
    return np.ascontiguousarray(embedding / length, np.float32)
