"""The partition of the world into geocells, and the one cell of every point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import haversine_km, unit_vectors, wrap_lng
from pigeon_edge.manifest import PhotoRow, lat_lng_of_rows
from pigeon_training.cells.geocell import Geocell, Region
from pigeon_training.cells.tree import Split, descend

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Land(Protocol):
    """Anything that divides the whole sphere into regions."""

    def region_of(self, lat_lng: Floats) -> Ints:
        """Return (N,) the region of each point (N, 2), for every point of the sphere."""


@dataclass(frozen=True)
class Partition:
    """C geocells over R regions.

    ``roots`` (R,) leads from a region to a number in ``splits``, or to ``~cell`` where the region lies in one cell
    whole. ``land`` finds a point's region; without it (regions known by name alone) only rows of a manifest have cells.
    """

    cells: tuple[Geocell, ...]
    regions: tuple[Region, ...]
    roots: Ints
    splits: tuple[Split, ...]
    land: Land | None

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def centroid_lat_lng(self) -> Floats:
        """(C, 2) the spherical means of the cells' training photographs."""
        return np.array([cell.centroid_lat_lng for cell in self.cells], np.float64).reshape(-1, 2)

    def cell_of(self, lat_lng: npt.ArrayLike) -> Ints:
        """Return (N,) the cell of each point (N, 2): its region, then the nearest seed within it, level by level.

        This alone defines which cell a point belongs to: every point of the sphere has exactly one, whichever other
        points are asked with it. Raises InputError where regions are known by name alone.
        """
        if self.land is None:
            raise InputError(
                "these geocells have names but no boundaries; make them with: train cells --boundaries FILE"
            )
        points = np.asarray(lat_lng, np.float64).reshape(-1, 2)
        return self.cell_in(self.land.region_of(points), points)

    def cell_of_rows(self, rows: Sequence[PhotoRow]) -> Ints:
        """Return (N,) the cells of rows: by place, or by the names they state where there are no boundaries.

        A row that states a region which no cell has goes to the nearest centroid.
        """
        points = lat_lng_of_rows(rows)
        if self.land is not None:
            return self.cell_of(points)
        known = {region: number for number, region in enumerate(self.regions)}
        region = np.array([known.get(region_of_row(row), -1) for row in rows], np.int64)
        answer = self.cell_in(np.maximum(region, 0), points)
        for number in np.flatnonzero(region < 0):
            answer[number] = haversine_km(points[number], self.centroid_lat_lng).argmin()
        return answer

    def cell_in(self, region: Ints, lat_lng: Floats) -> Ints:
        """Return (N,) the cells of points (N, 2) whose regions (N,) are known."""
        normal = np.stack([lat_lng[:, 0], wrap_lng(lat_lng[:, 1])], axis=1)
        return descend(self.roots[region], unit_vectors(normal), self.splits)


def region_of_row(row: PhotoRow) -> Region:
    """Return the region that a row of a manifest states."""
    return Region(row.country_code, row.country, row.admin1)
