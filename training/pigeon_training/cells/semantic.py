"""Semantic geocells: first-level regions, small ones merged with their neighbours, never across a country's border."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError
from pigeon_edge.estimate import Place
from pigeon_edge.geodesy import haversine_km, spherical_mean
from pigeon_edge.photo_manifest import PhotoRow, lat_lng_of_rows

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Geocell:
    """One class: the regions it is made of, and the spherical mean (2,) of its training photographs."""

    country_code: str
    country: str
    regions: tuple[str, ...]
    size: int
    centroid_lat_lng: tuple[float, float]

    @property
    def place(self) -> Place:
        """The names of the cell; merged regions are named together."""
        return Place(self.country_code, self.country, " & ".join(self.regions))


def semantic_cells(rows: Sequence[PhotoRow], min_size: int) -> tuple[Geocell, ...]:
    """Return geocells of at least ``min_size`` training photographs where a country has that many.

    Sorted by country and region, so that the same photographs give the same cells. Raises InputError without names.
    """
    countries = _group(rows)
    cells = [cell for country in sorted(countries) for cell in _merged(countries[country], min_size)]
    return tuple(sorted(cells, key=lambda cell: (cell.country_code, cell.country, cell.regions)))


def cell_of_rows(rows: Sequence[PhotoRow], cells: Sequence[Geocell]) -> npt.NDArray[np.int64]:
    """Return (N,) cells by the regions' names; a region that no cell has goes to the nearest centroid."""
    known = {(cell.country_code, cell.country, r): number for number, cell in enumerate(cells) for r in cell.regions}
    centroids = np.array([cell.centroid_lat_lng for cell in cells])
    return np.array([_cell_of(row, known, centroids) for row in rows], np.int64)


def _cell_of(row: PhotoRow, known: dict[tuple[str, str, str], int], centroids: Floats) -> int:
    named = known.get((row.country_code, row.country, row.admin1))
    return named if named is not None else int(haversine_km((row.lat, row.lng), centroids).argmin())


def _group(rows: Sequence[PhotoRow]) -> dict[tuple[str, str], list[Geocell]]:
    """Return, by country, one cell for each region that has photographs."""
    members: dict[tuple[str, str, str], list[PhotoRow]] = defaultdict(list)
    for row in rows:
        if not row.country:
            raise InputError(f"{row.path}: the manifest names no country; semantic geocells need country and admin1")
        members[row.country_code, row.country, row.admin1].append(row)
    countries: dict[tuple[str, str], list[Geocell]] = defaultdict(list)
    for (code, country, admin1), region_rows in sorted(members.items()):
        centroid = _centroid(lat_lng_of_rows(region_rows))
        countries[code, country].append(Geocell(code, country, (admin1,), len(region_rows), centroid))
    return countries


def _merged(cells: list[Geocell], min_size: int) -> list[Geocell]:
    """Fuse the smallest cell with its nearest neighbour until none is too small, or one is left."""
    while len(cells) > 1:
        smallest = min(cells, key=lambda cell: (cell.size, cell.regions))
        if smallest.size >= min_size:
            break
        others = [cell for cell in cells if cell is not smallest]
        distances_km = haversine_km(smallest.centroid_lat_lng, [cell.centroid_lat_lng for cell in others])
        neighbour = others[int(distances_km.argmin())]
        cells = [cell for cell in others if cell is not neighbour] + [_fused(smallest, neighbour)]
    return cells


def _fused(one: Geocell, other: Geocell) -> Geocell:
    regions = tuple(sorted(one.regions + other.regions))
    weighted = [one.centroid_lat_lng] * one.size + [other.centroid_lat_lng] * other.size
    return Geocell(one.country_code, one.country, regions, one.size + other.size, _centroid(np.array(weighted)))


def _centroid(lat_lng: Floats) -> tuple[float, float]:
    lat, lng = spherical_mean(lat_lng)
    return float(lat), float(lng)
