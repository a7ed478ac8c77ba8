"""What each step of refinement is worth: the shipped bundle on places of its planet that training never saw.

The settings were chosen by the score on the validation split; all other columns are of the test split.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import faiss
import numpy as np
import numpy.typing as npt
from tests.bench.table import Table

from pigeon_edge.answer.cells import posterior
from pigeon_edge.answer.encoding import unit
from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.bundle.gallery_writer import CODES, Clusters, Codes, build_index
from pigeon_edge.bundle.parts import open_gallery
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.geodesy import haversine_km, unit_vectors
from pigeon_edge.locator import Locator, open_locator
from pigeon_edge.manifest import Split, lat_lng_of_rows
from pigeon_edge.retrieval.gallery import Gallery
from pigeon_edge.retrieval.gated import GatedRefinement
from pigeon_edge.retrieval.published import NO_LIMIT_KM, PaperRefinement
from pigeon_edge.retrieval.refine import RefinementSettings, refine
from pigeon_training.cells.location_clusters import cluster
from pigeon_training.cells.optics import clusters as density_clusters
from pigeon_training.data.dataset import read_all_pixels, read_split
from pigeon_training.planet.album import render_album
from pigeon_training.presets import LOCATION_PRESETS
from pigeon_training.study.evaluation.metrics import THRESHOLDS_KM, geoguessr_score

Floats = npt.NDArray[np.float64]

PLACES, SEED, SIZE_PX = 6000, 7, 96
"""The bundle's own planet: a longer draw of places begins with a shorter one."""

PAPER, GATED = PaperRefinement(max_move_km=NO_LIMIT_KM), GatedRefinement()
TOY = LOCATION_PRESETS["toy"]
FIFTH = Codes(40, 4)
"""Of the planet's 192 components as few as a small gallery keeps of a CLIP ViT-L/14's 768."""

CHUNK = 256


class Queries(NamedTuple):
    """N photographs: unit embeddings (N, D), posterior (N, C), truth (N, 2)."""

    embedding: npt.NDArray[np.float32]
    posterior: Floats
    truth: Floats


class Stored(NamedTuple):
    """M photographs of a gallery in memory: unit embeddings (M, D), geocell (M,), coordinates (M, 2)."""

    embedding: npt.NDArray[np.float32]
    cell: npt.NDArray[np.int64]
    lat_lng: Floats
    cells: int


def refinement_modes_table() -> Table:
    """Measure every mode on the same embeddings."""
    locator = open_locator(open_bundle(TOY_PLANET))
    validation, test = _held_out(locator)
    stored = _stored(len(locator.cells.places))
    centroids = locator.cells.centroid_lat_lng
    rows = [_row("geocell's centroid", *(_by_centroid(queries, centroids) for queries in (validation, test)))]
    for name, gallery, settings in _modes(stored):
        errors = [_errors(queries, centroids, gallery, settings) for queries in (validation, test)]
        rows.append(_row(name, *errors))
    return Table(
        "Refinement modes",
        f"The shipped bundle, its gallery clustered anew by preset toy; four views each of held-out places among "
        f"{PLACES:,}: {len(validation.truth):,} photographs for validation, {len(test.truth):,} for the test.",
        ("mode", "validation score", *(f"{limit:g} km, %" for limit in THRESHOLDS_KM), "median km", "score"),
        tuple(rows),
    )


def _modes(stored: Stored) -> list[tuple[str, Gallery, RefinementSettings]]:
    full, without_noise = _gallery(stored), _gallery_without_noise(stored)
    noise = 1 - len(without_noise.cell_of_photographs()[0]) / len(stored.cell)
    return [
        (f"published, noise of {noise:.0%} left out", without_noise, PAPER),
        ("published, top 5", full, PAPER),
        ("published, top 40", full, replace(PAPER, top_k=40)),
        ("published, temperature 0.03", full, replace(PAPER, temperature=0.03)),
        ("gated, noise left out", without_noise, GATED),
        ("gated, 1 neighbour", full, replace(GATED, neighbours=1)),
        ("gated, 8 neighbours", full, replace(GATED, neighbours=8)),
        ("gated, 128 neighbours", full, replace(GATED, neighbours=128)),
        ("gated, 1 cluster", full, replace(GATED, clusters=1)),
        ("gated, 16 clusters", full, replace(GATED, clusters=16)),
        ("gated, 4 clusters searched", full, replace(GATED, searched_clusters=4)),
        ("gated, 64 clusters searched", full, replace(GATED, searched_clusters=64)),
        ("gated, every cluster searched", full, replace(GATED, searched_clusters=GATED.max_cells * GATED.clusters)),
        ("gated, small gallery", _gallery(stored, CODES["small"]), GATED),
        ("gated, 40 components of 4 bits", _gallery(stored, FIFTH), GATED),
        ("gated, half the posterior", full, replace(GATED, posterior_mass=0.5)),
        ("gated, temperature 0.0025", full, replace(GATED, temperature=0.0025)),
        ("gated, temperature 0.02", full, replace(GATED, temperature=0.02)),
        ("gated, score of 100 km", full, replace(GATED, score_km=100.0)),
        ("gated, score of 2500 km", full, replace(GATED, score_km=2500.0)),
        ("gated", full, GATED),
    ]


def _row(name: str, validation_km: Floats, test_km: Floats) -> tuple[str | float, ...]:
    within = [float(np.mean(test_km <= limit) * 100) for limit in THRESHOLDS_KM]
    return name, _score(validation_km), *within, float(np.median(test_km)), _score(test_km)


def _score(error_km: Floats) -> float:
    return float(geoguessr_score(error_km).mean())


def _by_centroid(queries: Queries, centroids: Floats) -> Floats:
    return haversine_km(centroids[queries.posterior.argmax(axis=1)], queries.truth)


def _errors(queries: Queries, centroids: Floats, gallery: Gallery, settings: RefinementSettings) -> Floats:
    pairs = zip(queries.embedding, queries.posterior, strict=True)
    found = [refine(embedding, chances, centroids, gallery, settings).lat_lng[0] for embedding, chances in pairs]
    return haversine_km(np.array(found), queries.truth)


def _held_out(locator: Locator) -> tuple[Queries, Queries]:
    with TemporaryDirectory() as folder:
        render_album(Path(folder) / "planet", PLACES, SEED, SIZE_PX)
        manifest = Path(folder) / "planet" / "manifest.csv"
        return _queries(locator, manifest, Split.VALIDATION), _queries(locator, manifest, Split.TEST)


def _queries(locator: Locator, manifest: Path, split: Split) -> Queries:
    rows = read_split(manifest, split)
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    encoded = [locator.encoder.encode(read_all_pixels(chunk, locator.preprocess)) for chunk in chunks]
    logits = np.concatenate([encoding.cell_logits for encoding in encoded])
    embedding = unit(np.concatenate([encoding.embedding for encoding in encoded]))
    return Queries(embedding, posterior(logits, locator.confidence.temperature), lat_lng_of_rows(rows))


def _stored(cells: int) -> Stored:
    """Return the shipped gallery's photographs as its 8-bit codes tell them."""
    bundle = open_bundle(TOY_PLANET)
    cell, lat_lng = open_gallery(bundle).cell_of_photographs()
    index = faiss.read_index(str(bundle.file("gallery/index.faiss")))
    index.make_direct_map()
    return Stored(unit(index.reconstruct_n(0, index.ntotal)), cell, lat_lng, cells)


def _gallery(stored: Stored, codes: Codes = CODES["full"]) -> Gallery:
    found = cluster(stored.lat_lng, stored.cell, stored.cells, TOY)
    return Gallery(build_index(stored.embedding, found, codes), found.cell_offsets, stored.lat_lng.astype(np.float32))


def _gallery_without_noise(stored: Stored) -> Gallery:
    """Return a gallery of what OPTICS finds in each cell, as the published recipe has it."""
    kept = np.zeros(len(stored.cell), bool)
    for number in range(stored.cells):
        members = np.flatnonzero(stored.cell == number)
        found = density_clusters(unit_vectors(stored.lat_lng[members]), TOY.min_samples, TOY.xi, TOY.min_samples)
        kept[members[np.concatenate([np.empty(0, np.int64), *found])]] = True
    clusters = cluster(stored.lat_lng, stored.cell, stored.cells, TOY)
    left = Clusters(clusters.of_photograph[kept], clusters.cell_offsets)
    return Gallery(
        build_index(stored.embedding[kept], left), left.cell_offsets, stored.lat_lng[kept].astype(np.float32)
    )
