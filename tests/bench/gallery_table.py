"""Galleries of growing size on disk: bytes, memory, and the time that gated refinement takes, warm and cold.

The posterior is flat, so that the gate lets forty geocells in: the dearest photograph there is.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt
from faiss.contrib.ivf_tools import add_preassigned
from tests.bench.table import Table

from pigeon_edge.answer.cells import posterior
from pigeon_edge.bundle.gallery_writer import CODES, Clusters, build_index
from pigeon_edge.retrieval.gallery import Gallery, parts_of, read_index
from pigeon_edge.retrieval.gated import GatedRefinement, refine_gated
from pigeon_edge.system.memory import process_memory

SIZES = (10_000, 100_000, 1_000_000, 4_500_000)
"""The last is PIGEOTTO's."""

WIDTH, CLUSTERS_A_CELL, MOST_CELLS = 768, 10, 2000
TRAINED_ON = 5
"""Photographs of each cluster that prototypes, ranges and components are taken of."""

BLOCK = 100_000
QUERIES, COLD_QUERIES = 64, 9
ROUNDS = 5
GATED = GatedRefinement()
EVERY = replace(GATED, searched_clusters=GATED.max_cells * GATED.clusters)


class Stored(NamedTuple):
    """A gallery on disk: its folder, offsets by cell (C + 1,), queries (N, D), their posterior (N, C), centroids."""

    folder: Path
    offsets: npt.NDArray[np.int64]
    queries: npt.NDArray[np.float32]
    posteriors: npt.NDArray[np.float64]
    centroids: npt.NDArray[np.float64]


def gallery_table() -> Table:
    """Measure galleries of both kinds of codes, one photograph at a time, on one thread."""
    rows = []
    for count in SIZES:
        with TemporaryDirectory() as scratch:
            rows += [_row(count, name, stored) for name, stored in _galleries(Path(scratch), count).items()]
    return Table(
        "Galleries",
        f"Random embeddings of {WIDTH}, ten clusters a geocell, at most {MOST_CELLS:,} geocells, of which a photograph "
        "gates forty. Cold: no page of the gallery is in memory. x: than with every cluster of the gate searched.",
        (
            "photographs", "codes", "MB on disk", "bytes a photograph", "MB private", "warm, ms", "cold, ms",
            "every cluster, warm, ms", "x warm", "every cluster, cold, ms", "x cold",
        ),
        tuple(rows),
    )  # fmt: skip


def _row(count: int, name: str, stored: Stored) -> tuple[str | float, ...]:
    size = sum(file.stat().st_size for file in stored.folder.iterdir())
    warm, warm_every = _warm_ms(stored)
    cold, cold_every = (_cold_ms(stored, settings) for settings in (GATED, EVERY))
    private = _private_mb(stored)
    return (
        count, name, size / 1e6, size / count, private, warm, cold, warm_every, warm_every / warm, cold_every,
        cold_every / cold,
    )  # fmt: skip


def _warm_ms(stored: Stored) -> tuple[float, float]:
    """Return the milliseconds of a photograph as shipped and with every cluster searched, taking turns."""
    gallery = _opened(stored)
    found: dict[int, list[float]] = {0: [], 1: []}
    for number in range(1 + ROUNDS):
        for way, settings in enumerate((GATED, EVERY)):
            seconds = _seconds(lambda: _refine_all(stored, gallery, settings))  # noqa: B023 (called at once)
            if number:  # the first round reads the pages
                found[way].append(1000 * seconds / QUERIES)
    return statistics.median(found[0]), statistics.median(found[1])


def _cold_ms(stored: Stored, settings: GatedRefinement) -> float:
    found = []
    for number in range(COLD_QUERIES):
        _forget(stored.folder)
        gallery = _opened(stored)
        found.append(_seconds(lambda: _refine(stored, gallery, settings, number)))  # noqa: B023 (called at once)
    return 1000 * statistics.median(found)


def _private_mb(stored: Stored) -> float:
    before = process_memory()
    gallery = _opened(stored)
    _refine_all(stored, gallery, GATED)
    after = process_memory()
    return float("nan") if before is None or after is None else (after.anonymous - before.anonymous) / 1e6


def _refine_all(stored: Stored, gallery: Gallery, settings: GatedRefinement) -> None:
    for number in range(QUERIES):
        _refine(stored, gallery, settings, number)


def _refine(stored: Stored, gallery: Gallery, settings: GatedRefinement, number: int) -> None:
    refine_gated(stored.queries[number], stored.posteriors[number], stored.centroids, gallery, settings)


def _seconds(way: Callable[[], None]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def _opened(stored: Stored) -> Gallery:
    lat_lng = np.load(stored.folder / "lat_lng.npy", mmap_mode="r")
    return Gallery(read_index(stored.folder / "index.faiss"), stored.offsets, lat_lng)


def _forget(folder: Path) -> None:
    """Have the kernel drop the pages of files, as after a start."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _galleries(scratch: Path, count: int) -> dict[str, Stored]:
    """Write a gallery of each kind of codes; the photographs are drawn and added a block at a time."""
    rng = np.random.default_rng(0)
    cells = min(MOST_CELLS, count // 500)
    offsets = np.arange(cells + 1) * CLUSTERS_A_CELL
    centres = rng.standard_normal((cells * CLUSTERS_A_CELL, WIDTH), dtype=np.float32)
    first = np.repeat(np.arange(len(centres)), TRAINED_ON)
    vectors = _around(rng, centres[first])
    indexes = {name: build_index(vectors, Clusters(first, offsets), codes) for name, codes in CODES.items()}
    for of_photograph in _blocks(np.arange(count - len(first)) % len(centres)):
        block = _around(rng, centres[of_photograph])
        for index in indexes.values():
            _add(index, block, of_photograph)
    lat_lng = rng.uniform((-60, -180), (70, 180), (count, 2)).astype(np.float32)
    queries = _around(rng, vectors[rng.integers(0, len(vectors), QUERIES)] * WIDTH**0.5)
    posteriors = posterior(rng.normal(scale=3, size=(QUERIES, cells)), 1.0)
    centroids = rng.uniform((-60, -180), (70, 180), (cells, 2))
    stored = {}
    for name, index in indexes.items():
        _write(scratch / name, index, offsets, lat_lng)
        stored[name] = Stored(scratch / name, offsets, queries, posteriors, centroids)
    return stored


def _blocks(of_photograph: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(of_photograph), BLOCK):
        yield of_photograph[start : start + BLOCK]


def _add(index: Any, block: npt.NDArray[np.float32], of_photograph: npt.NDArray[np.int64]) -> None:
    projection, ivf = parts_of(index)
    add_preassigned(ivf, block if projection is None else projection.apply(block), of_photograph)
    index.ntotal = ivf.ntotal


def _write(folder: Path, index: Any, offsets: npt.NDArray[np.int64], lat_lng: npt.NDArray[np.float32]) -> None:
    folder.mkdir()
    faiss.write_index(index, str(folder / "index.faiss"))
    np.save(folder / "cell_offsets.npy", offsets)
    np.save(folder / "lat_lng.npy", lat_lng)


def _around(rng: np.random.Generator, centres: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return unit vectors scattered around rows of about unit variance."""
    points = centres + rng.standard_normal(centres.shape, dtype=np.float32)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)
