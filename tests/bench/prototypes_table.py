"""Location clusters and prototypes by the number of photographs, beside masks of the whole table and scikit-learn."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tests.bench.table import Table

from pigeon_edge.bundle.gallery_writer import prototypes
from pigeon_edge.geodesy import destination
from pigeon_training.cells.location_clusters import cluster
from pigeon_training.presets import LOCATION_PRESETS

WIDTH, TOWNS_A_CELL = 128, 5
PLAIN_COUNT = 10_000


class Drawn(NamedTuple):
    """N synthetic photographs: cell (N,), coordinates (N, 2), embeddings (N, D), and how many cells there are."""

    cell: npt.NDArray[np.int64]
    lat_lng: npt.NDArray[np.float64]
    embedding: npt.NDArray[np.float32]
    cells: int


def prototypes_table() -> Table:
    """Measure clusters and prototypes, once each, and the plain way where it is bearable."""
    sizes = (
        ("pigeon", 100_000, 45),
        ("pigeon", 1_000_000, 45),
        ("pigeotto", 1_000_000, 1500),
        ("pigeon", 100_000, 100_000),
    )
    rows = [_measured(preset, count, per_cell) for preset, count, per_cell in sizes]
    return Table(
        "Prototypes",
        f"Photographs around {TOWNS_A_CELL} towns a geocell, embeddings of {WIDTH}. On {PLAIN_COUNT:,} of them, preset "
        f"pigeon is {_against_plain():.0f} x as quick as scikit-learn's OPTICS with a mask a geocell and a cluster.",
        ("preset", "photographs", "a geocell", "clusters", "clusters, s", "prototypes, s", "photographs per second"),
        tuple(rows),
    )


def _measured(preset: str, count: int, per_cell: int) -> tuple[str, int, int, int, float, float, float]:
    drawn = _photographs(count, per_cell)
    start = time.perf_counter()
    found = cluster(drawn.lat_lng, drawn.cell, drawn.cells, LOCATION_PRESETS[preset])
    clustered = time.perf_counter()
    number = int(found.cell_offsets[-1])
    prototypes(drawn.embedding, found.of_photograph, number)
    done = time.perf_counter()
    return preset, count, per_cell, number, clustered - start, done - clustered, count / (done - start)


def _photographs(count: int, per_cell: int) -> Drawn:
    """Return photographs in cells of two thirds to four thirds of ``per_cell``, as PIGEON's are of 30 to 60."""
    rng = np.random.default_rng(count)
    cells = max(1, count // per_cell)
    share = rng.uniform(2, 4, cells)
    cell = rng.choice(cells, count, p=share / share.sum())
    middles = np.repeat(rng.uniform((-60, -180), (60, 180), (cells, 2)), TOWNS_A_CELL, axis=0)
    towns = destination(middles, rng.uniform(0, 360, len(middles)), np.abs(rng.normal(0, 100, len(middles))))
    town = cell * TOWNS_A_CELL + rng.integers(0, TOWNS_A_CELL, count)
    lat_lng = destination(towns[town], rng.uniform(0, 360, count), np.abs(rng.normal(0, 8, count)))
    return Drawn(cell, lat_lng, rng.standard_normal((count, WIDTH), np.float32), cells)


def _against_plain() -> float:
    """Return how many times as quick ours is as the plain way, in the same run."""
    drawn = _photographs(PLAIN_COUNT, 45)
    start = time.perf_counter()
    found = cluster(drawn.lat_lng, drawn.cell, drawn.cells, LOCATION_PRESETS["pigeon"])
    prototypes(drawn.embedding, found.of_photograph, int(found.cell_offsets[-1]))
    ours = time.perf_counter() - start
    _plain(drawn)
    return (time.perf_counter() - start - ours) / ours


def _plain(drawn: Drawn) -> list[npt.NDArray[np.float32]]:
    """Return the mean embedding of each OPTICS cluster of each cell, noise left out."""
    from sklearn.cluster import OPTICS

    preset = LOCATION_PRESETS["pigeon"]
    optics = OPTICS(min_samples=preset.min_samples, xi=preset.xi, metric="haversine", algorithm="ball_tree")
    means = []
    for number in range(drawn.cells):
        members = drawn.cell == number
        if members.sum() < preset.min_samples:
            continue
        labels = optics.fit_predict(np.radians(drawn.lat_lng[members]))
        means += [drawn.embedding[members][labels == label].mean(axis=0) for label in range(labels.max() + 1)]
    return means
