"""Photographs a second through refinement, beside a search of every vector of the gallery."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
from tests.bench.table import Table
from tests.bench.timing import compare

from pigeon_edge.answer.cells import posterior
from pigeon_edge.bundle.gallery_writer import Clusters, build_index
from pigeon_edge.retrieval.gallery import Gallery
from pigeon_edge.retrieval.gated import GatedRefinement
from pigeon_edge.retrieval.published import PaperRefinement
from pigeon_edge.retrieval.refine import RefinementSettings, refine

PHOTOGRAPHS, WIDTH, CELLS, CLUSTERS_A_CELL = 20_000, 768, 200, 10
QUERIES = 64
ROUNDS = 9
NAIVE = "numpy, every vector"
MODES: dict[str, RefinementSettings] = {
    "as published, 5 geocells": PaperRefinement(),
    "as published, 40 geocells": PaperRefinement(top_k=40),
    "gated, every cluster searched": GatedRefinement(searched_clusters=320),
    "gated": GatedRefinement(),
}


def refinement_table() -> Table:
    """Measure both on the same queries, one photograph at a time as a camera brings them."""
    rng = np.random.default_rng(0)
    of_photograph = rng.integers(0, CELLS * CLUSTERS_A_CELL, PHOTOGRAPHS)
    of_photograph[: CELLS * CLUSTERS_A_CELL] = np.arange(CELLS * CLUSTERS_A_CELL)  # no cluster is empty
    vectors = _around(rng, rng.normal(size=(CELLS * CLUSTERS_A_CELL, WIDTH))[of_photograph])
    lat_lng = rng.uniform((-60, -180), (70, 180), (PHOTOGRAPHS, 2))
    offsets = np.arange(CELLS + 1) * CLUSTERS_A_CELL
    gallery = Gallery(build_index(vectors, Clusters(of_photograph, offsets)), offsets, lat_lng.astype(np.float32))
    queries = _around(rng, vectors[rng.integers(0, PHOTOGRAPHS, QUERIES)] * WIDTH**0.5)
    posteriors = posterior(rng.normal(scale=3, size=(QUERIES, CELLS)), 1.0)
    centroids = rng.uniform((-60, -180), (70, 180), (CELLS, 2))

    def refined(settings: RefinementSettings) -> None:
        for query, chances in zip(queries, posteriors, strict=True):
            refine(query, chances, centroids, gallery, settings)

    def naive() -> None:
        for query in queries:
            lat_lng[(vectors @ query).argmax()]

    ways = {NAIVE: naive} | {name: partial(refined, settings) for name, settings in MODES.items()}
    found = compare(ways, NAIVE, ROUNDS)
    return Table(
        "Refinement",
        f"A gallery of {PHOTOGRAPHS:,} random photographs with embeddings of {WIDTH}, in "
        f"{CELLS * CLUSTERS_A_CELL:,} location clusters of {CELLS} geocells; one photograph at a time.",
        ("search", "photographs per second", "x numpy"),
        tuple((name, QUERIES / timing.seconds, timing.ratio) for name, timing in found.items()),
    )


def _around(rng: np.random.Generator, centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return unit vectors scattered around rows of about unit variance."""
    points = centres + rng.normal(size=centres.shape)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)
