"""What geocells cost by the number of photographs, beside scikit-learn's OPTICS of the same preset."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import shapely
from tests.bench.table import Table

from pigeon_edge.geodesy import destination, unit_vectors
from pigeon_training.cells.linking import territory_of
from pigeon_training.cells.optics import clusters
from pigeon_training.cells.semantic import cells_of_land
from pigeon_training.cells.territory import Territory
from pigeon_training.data.geography.boundaries import Boundaries
from pigeon_training.data.geography.region_names import RegionName
from pigeon_training.presets import CELL_PRESETS

COUNTS = (10_000, 30_000, 100_000, 1_000_000)
TOWNS, SIDE_DEG = 2000, 12
ONE_CLUSTERING = 2000


def cells_table() -> Table:
    """Measure the making of geocells and the finding of every photograph's, once each."""
    ratio = _against_sklearn()
    land = _checkered()
    rows = [_measured(land, count) for count in COUNTS]
    return Table(
        "Geocells",
        f"PIGEON's preset; photographs around {TOWNS:,} towns in {len(land.regions)} square regions of 40 countries. "
        f"One clustering of {ONE_CLUSTERING:,} photographs is {ratio:.1f} x as quick as scikit-learn's.",
        ("photographs", "geocells", "making, s", "photographs per second", "cell_of, s"),
        tuple(rows),
    )


def _measured(land: Territory, count: int) -> tuple[int, int, float, float, float]:
    lat_lng = _photographs(count)
    start = time.perf_counter()
    partition = cells_of_land(lat_lng, land, CELL_PRESETS["pigeon"]).partition
    made = time.perf_counter() - start
    partition.cell_of(lat_lng)
    return count, len(partition), made, count / made, time.perf_counter() - start - made


def _photographs(count: int) -> npt.NDArray[np.float64]:
    """Return (N, 2) places around towns, of which few are large."""
    rng = np.random.default_rng(count)
    towns = rng.uniform((-60, -180), (60, 180), (TOWNS, 2))
    chances = 1 / np.arange(1, TOWNS + 1)
    town = rng.choice(TOWNS, count, p=chances / chances.sum())
    return destination(towns[town], rng.uniform(0, 360, count), np.abs(rng.normal(0, 60, count)))


def _checkered() -> Territory:
    """Return countries of 3 by 3 regions, each a square of degrees."""
    corners = [(x, y) for x in range(-180, 180, SIDE_DEG) for y in range(-60, 60, SIDE_DEG)]
    names = [RegionName("", f"country {x // 36} {(y + 60) // 36}", f"region {x} {y}") for x, y in corners]
    squares = shapely.box(*np.array([(x, y, x + SIDE_DEG, y + SIDE_DEG) for x, y in corners]).T)
    return territory_of([Boundaries(tuple(names), np.asarray(squares))])


def _against_sklearn() -> float:
    """Return how many times as quick one clustering of ours is as scikit-learn's on the same great circles."""
    from sklearn.cluster import OPTICS

    lat_lng = _photographs(ONE_CLUSTERING)
    (min_samples, xi), *_ = CELL_PRESETS["pigeon"].schedule
    start = time.perf_counter()
    clusters(unit_vectors(lat_lng), min_samples, xi, CELL_PRESETS["pigeon"].min_size)
    ours = time.perf_counter() - start
    OPTICS(min_samples=min_samples, xi=xi, metric="haversine", algorithm="ball_tree").fit(np.radians(lat_lng))
    return (time.perf_counter() - start - ours) / ours
