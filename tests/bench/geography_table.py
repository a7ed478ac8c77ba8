"""Seconds to find the region of many points: all at once beside one polygon after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from tests.bench.table import Table
from tests.bench.timing import compare

from pigeon_training.data.geography.antimeridian import into_world
from pigeon_training.data.geography.boundaries import Boundaries
from pigeon_training.data.geography.region_names import RegionName

STEP_DEG = 4
CORNERS = 50
COUNTS = (10_000, 100_000)
MANY = 1_000_000
ROUNDS = 3
MASKS = "a mask a region"
OURS = "region_of"


def geography_table() -> Table:
    """Measure a made-up world of about as many regions and corners as the first-level regions of the real one."""
    boundaries = _world()
    rows = [row for count in COUNTS for row in _rows(boundaries, count)]
    many = compare({OURS: lambda: boundaries.region_of(_points(MANY))}, OURS, 1)[OURS].seconds
    return Table(
        "Geography",
        f"Points all over the world in {len(boundaries.names):,} regions of "
        f"{shapely.get_num_coordinates(boundaries.shapes).sum():,} corners; {MANY:,} points take {many:.1f} s.",
        ("points", "way", "s", "points per s", f"x {MASKS}"),
        tuple(rows),
    )


def _rows(boundaries: Boundaries, count: int) -> list[tuple[str | float, ...]]:
    points = _points(count)
    ways = {MASKS: lambda: _by_masks(boundaries, points), OURS: lambda: boundaries.region_of(points)}
    found = compare(ways, MASKS, ROUNDS)
    return [
        (f"{count:,}", name, timing.seconds, count / timing.seconds, timing.ratio) for name, timing in found.items()
    ]


def _points(count: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(1).uniform((-88, -180), (88, 180), (count, 2))


def _by_masks(boundaries: Boundaries, points: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Test all points with every polygon, prepared: how a table of regions is often joined to a table of points."""
    found = np.full(len(points), -1, np.int64)
    for number, shape in enumerate(boundaries.shapes):
        shapely.prepare(shape)
        found[shapely.contains_xy(shape, points[:, 1], points[:, 0])] = number
    return found


def _world() -> Boundaries:
    """Return round regions with ragged borders on a grid, with sea between them."""
    rng = np.random.default_rng(0)
    lat, lng = (axis.ravel() for axis in np.meshgrid(np.arange(-86, 87, STEP_DEG), np.arange(-178, 179, STEP_DEG)))
    turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radius = rng.uniform(0.7, 1.0, (len(lat), CORNERS)) * STEP_DEG / 2
    rings = np.stack([lng[:, None] + radius * np.cos(turn), lat[:, None] + radius * np.sin(turn)], axis=-1)
    names = tuple(RegionName("XX", "", f"Region {number}") for number in range(len(lat)))
    return Boundaries(names, into_world(shapely.polygons(rings)))
