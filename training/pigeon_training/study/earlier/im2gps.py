"""IM2GPS (Hays and Efros 2008): the place of the most similar photograph."""

from __future__ import annotations

from pigeon_training.study.earlier.neighbours import nearest
from pigeon_training.study.earlier.photographs import Doubles, Embeddings, Photographs


def im2gps(training: Photographs, _validation: Photographs, queries: Embeddings) -> Doubles:
    """Return the places (Q, 2) of the nearest training photographs, by cosine, over all of them.

    The paper compares histograms, gist and lines; here the embedding takes their place.
    """
    _, row = nearest(queries, training.embedding, 1)
    return training.lat_lng[row[:, 0]]
