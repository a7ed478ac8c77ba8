"""Geocells that know nothing of borders, for comparison: the same photographs in rectangles or in equal squares."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import spherical_mean
from pigeon_edge.manifest import PhotoRow, lat_lng_of_rows
from pigeon_training.cells.geocell import Geocell, Region, names_by_count
from pigeon_training.cells.partition import Land, Partition, region_of_row
from pigeon_training.cells.rectangles import rectangles
from pigeon_training.cells.squares import squares

Ints = npt.NDArray[np.int64]


def cells_of_rectangles(rows: Sequence[PhotoRow], min_size: int, max_size: int) -> Partition:
    """Return rectangles of about equal numbers of photographs. Raises InputError without any."""
    return _partition(rows, rectangles(_lat_lng(rows), min_size, max_size), "rectangle")


def cells_of_squares(rows: Sequence[PhotoRow], min_size: int, max_size: int) -> Partition:
    """Return PlaNet's adaptive squares. Raises InputError without photographs."""
    return _partition(rows, squares(_lat_lng(rows), min_size, max_size), "square")


def _lat_lng(rows: Sequence[PhotoRow]) -> npt.NDArray[np.float64]:
    if not rows:
        raise InputError("expected photographs to make geocells of, found none; give a manifest with training places")
    return lat_lng_of_rows(rows)


def _partition(rows: Sequence[PhotoRow], land: Land, kind: str) -> Partition:
    """Name each cell after the country and regions of most of its photographs; cells are numbered as their regions."""
    region = land.region_of(lat_lng_of_rows(rows))
    stated = [region_of_row(row) for row in rows]
    members = np.split(np.argsort(region, kind="stable"), np.cumsum(np.bincount(region))[:-1])
    cells = [_geocell([rows[n] for n in own], [stated[n] for n in own], f"{kind} {c}") for c, own in enumerate(members)]
    regions = tuple(Region("", "", f"{kind} {number}") for number in range(len(cells)))
    return Partition(tuple(cells), regions, ~np.arange(len(cells)), (), land)


def _geocell(rows: Sequence[PhotoRow], stated: Sequence[Region], name: str) -> Geocell:
    nations = [replace(region, admin1="") for region in stated]
    home = min(set(nations), key=lambda nation: (-nations.count(nation), nation))
    admin1 = [region.admin1 for region in stated if region.nation == home.nation]
    lat, lng = spherical_mean(lat_lng_of_rows(rows))
    identity = hashlib.sha256(f"{name} {lat:.4f} {lng:.4f}".encode()).hexdigest()[:16]
    return Geocell(
        identity, home.country_code, home.country, names_by_count(admin1, np.ones(len(admin1), np.int64)), (),
        len(rows), (float(lat), float(lng)),
    )  # fmt: skip
