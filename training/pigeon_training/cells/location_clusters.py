"""Location clusters: which photographs of a geocell share a prototype.

OPTICS on great-circle distances in each geocell (Haas et al., CVPR 2024, section 3.4), over places: photographs at one
coordinate always share a cluster, and views of a place do not count as its neighbours. What OPTICS calls noise is kept:
it joins the cluster of the nearest clustered place within reach, else other noise within reach, else it is a cluster of
its own. A lone photograph is the only one of its place, so that leaving it out would make that place unfindable.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pigeon_edge.bundle.gallery_writer import Clusters
from pigeon_edge.geodesy import EARTH_RADIUS_KM, unit_vectors
from pigeon_training.cells.optics import Floats, Ints, clusters
from pigeon_training.cells.tree import nearest
from pigeon_training.presets import LocationPreset

MOST_AT_ONCE = 2000
"""Places that one clustering looks at: three tables of their squared number, 32 MB each."""


def cluster(lat_lng: npt.NDArray[np.float64], cell: Ints, cell_count: int, preset: LocationPreset) -> Clusters:
    """Group the photographs (N, 2) of each cell (N,) by place; every photograph is in exactly one cluster.

    The order of the photographs decides nothing but which numbers are whose.
    """
    order = np.lexsort((lat_lng[:, 1], lat_lng[:, 0], cell))  # by cell, so that each is one slice
    changes = (np.diff(lat_lng[order], axis=0) != 0).any(axis=1) | (np.diff(cell[order]) != 0)
    first = np.flatnonzero(np.concatenate([np.ones(min(len(order), 1), bool), changes]))  # of each place
    place_cell, vectors = cell[order][first], unit_vectors(lat_lng[order[first]])
    bounds = np.searchsorted(place_cell, np.arange(cell_count + 1))
    of_place, offsets = np.empty(len(first), np.int64), np.zeros(cell_count + 1, np.int64)
    for number, (start, stop) in enumerate(pairwise(bounds)):
        own = clusters_of_cell(vectors[start:stop], preset)
        of_place[start:stop] = offsets[number] + own
        offsets[number + 1] = offsets[number] + own.max(initial=-1) + 1
    of_photograph = np.empty(len(order), np.int64)
    of_photograph[order] = np.repeat(of_place, np.diff(np.append(first, len(order))))
    return Clusters(of_photograph, offsets)


def clusters_of_cell(vectors: Floats, preset: LocationPreset) -> Ints:
    """Return (P,) the cluster of each place of a cell, from 0; unit vectors are (P, 3).

    Fewer than ``min_samples`` places are one cluster.
    """
    if len(vectors) < preset.min_samples:
        return np.zeros(len(vectors), np.int64)
    found, count = np.empty(len(vectors), np.int64), 0
    for part in _parts(vectors):
        dense = clusters(vectors[part], preset.min_samples, preset.xi, preset.min_samples)
        found[part] = count + _with_noise(vectors[part], dense, preset.reach_km)
        count = int(found[part].max()) + 1
    return found


def _parts(vectors: Floats) -> Iterator[Ints]:
    """Yield the numbers of vectors (P, 3), halved across their longest extent until no part has too many."""
    waiting = [np.arange(len(vectors))]
    while waiting:
        part = waiting.pop()
        if len(part) <= MOST_AT_ONCE:
            yield part
        else:
            axis = int(np.ptp(vectors[part], axis=0).argmax())
            waiting += np.array_split(part[np.argsort(vectors[part, axis], kind="stable")], 2)


def _with_noise(vectors: Floats, dense: list[Ints], reach_km: float) -> Ints:
    """Return (P,) cluster numbers: those of density clusters first, then of noise that none of them reaches."""
    found = np.full(len(vectors), -1, np.int64)
    for number, members in enumerate(dense):
        found[members] = number
    if dense:
        clustered, noise = np.flatnonzero(found >= 0), np.flatnonzero(found < 0)
        beside = clustered[nearest(vectors[noise], vectors[clustered])]
        joins = _apart_km(vectors[noise], vectors[beside]) <= reach_km
        found[noise[joins]] = found[beside[joins]]
    alone = np.flatnonzero(found < 0)
    found[alone] = len(dense) + _leaders(vectors[alone], reach_km)
    return found


def _leaders(vectors: Floats, reach_km: float) -> Ints:
    """Return (P,) numbers from 0: each joins the first within reach that joined none before it."""
    found = np.full(len(vectors), -1, np.int64)
    number = 0
    while len(left := np.flatnonzero(found < 0)):
        found[left[_apart_km(vectors[left], vectors[left[0]]) <= reach_km]] = number
        number += 1
    return found


def _apart_km(a_vectors: Floats, b_vectors: Floats) -> Floats:
    half_chord = np.linalg.norm(a_vectors - b_vectors, axis=-1) / 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(half_chord, 1.0)))
