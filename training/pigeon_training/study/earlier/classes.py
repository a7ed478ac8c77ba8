"""Classes of place: a division of the sphere, and where the training photographs of each part lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pigeon_edge.geodesy import spherical_mean
from pigeon_training.cells.partition import Land
from pigeon_training.study.baselines import medoid
from pigeon_training.study.earlier.photographs import Doubles, Embeddings, Ids, Photographs


@dataclass(frozen=True, eq=False)
class ClassTask:
    """What a classifier is fitted to: photographs and their classes, and the centroids (C, 2) of the classes."""

    training: Photographs
    training_class: Ids
    validation: Photographs
    validation_class: Ids
    centroid_lat_lng: Doubles


Score: TypeAlias = Callable[[Embeddings], Doubles]
"""A fitted classifier: queries (Q, D) to logits (Q, C)."""

FitClassifier: TypeAlias = Callable[[ClassTask], Score]
"""How a classifier is fitted."""

CHUNK = 512
"""Queries whose logits are held at once: 110 MB of float64 for PlaNet's 26,263 classes."""


def class_task(land: Land, training: Photographs, validation: Photographs) -> ClassTask:
    """Return the task of telling the regions of ``land``, each of which holds a training photograph, apart."""
    training_class = land.region_of(training.lat_lng)
    centroids = mean_places(training.lat_lng, training_class)
    return ClassTask(training, training_class, validation, land.region_of(validation.lat_lng), centroids)


def by_chunks(choose: Callable[[Embeddings], Ids], queries: Embeddings) -> Ids:
    """Return (Q,) what is chosen for queries (Q, D), each by itself, a chunk at a time."""
    chosen = [choose(queries[start : start + CHUNK]) for start in range(0, len(queries), CHUNK)]
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


def mean_places(lat_lng: Doubles, number: Ids) -> Doubles:
    """Return (C, 2) the mean place of the points (N, 2) of each number 0 to C - 1; every number has a point."""
    members = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
    return np.array([_mean_place(lat_lng[own]) for own in members])


def _mean_place(lat_lng: Doubles) -> Doubles:
    """Return (2,) the spherical mean, or the medoid of points that cancel out."""
    try:
        return spherical_mean(lat_lng)
    except ValueError:
        return medoid(lat_lng)
