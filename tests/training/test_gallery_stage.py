"""From a manifest and a graph to a gallery, and from a bundle to a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import onnx
import pytest
import torch

from pigeon_edge.errors import PartialFailureError
from pigeon_edge.locator import Locator
from pigeon_edge.photo_manifest import PhotoRow, Split
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_edge.testing import TINY_CENTROIDS, TINY_PLACES, FakeEncoder, write_colour, write_tiny_bundle
from pigeon_export.to_onnx import to_onnx
from pigeon_training.cells.semantic import cells_of_names
from pigeon_training.cells.store import write_cells
from pigeon_training.evaluate import evaluate
from pigeon_training.gallery import gallery_of_manifest
from pigeon_training.model import new_tower
from pigeon_training.presets import CELL_PRESETS, TowerPreset, sized


@pytest.fixture
def graph(tmp_path):
    torch.manual_seed(3)
    tower = new_tower(TowerPreset(image_size_px=16, patch_px=8, width=24, layers=1, heads=2, mlp_width=32))
    heads = {"cells.weight": np.ones((2, 24), np.float32), "cells.bias": np.zeros(2, np.float32)}
    onnx.save_model(to_onnx(tower, PreprocessSpec(16), heads), str(tmp_path / "encoder.onnx"))
    return tmp_path / "encoder.onnx"


def test_gallery_holds_the_training_photographs_up_to_a_limit_a_place(tmp_path, graph, album, rows_of):
    rows = [
        replace(row, path=Path(f"{row.admin1}-{n}.png"), place_id=f"{row.admin1}-{n // 3}")
        for region in (rows_of("East", 30, 50, 20, spread_deg=1.0), rows_of("West", 30, 50, 0, spread_deg=1.0))
        for n, row in enumerate(region)
    ]
    manifest = album(rows)
    write_cells(tmp_path / "cells", cells_of_names(rows, sized(CELL_PRESETS["toy"], 5, None)).partition)
    count, clusters = gallery_of_manifest(manifest, tmp_path / "cells", graph, tmp_path / "gallery", 30.0, 2)
    places = {row.place_id for row in rows if row.split is Split.TRAIN}
    index = faiss.read_index(str(tmp_path / "gallery" / "index.faiss"))
    offsets = np.load(tmp_path / "gallery" / "cell_offsets.npy")
    assert count == index.ntotal == len(np.load(tmp_path / "gallery" / "lat_lng.npy")) == 2 * len(places)
    assert clusters == index.nlist == offsets[-1] > 2


def test_gallery_leaves_out_what_cannot_be_read_and_says_so(tmp_path, graph, album, rows_of):
    rows = [row for name, lat in (("East", 50), ("West", 20)) for row in rows_of(name, 30, lat, 20, spread_deg=1.0)]
    manifest = album(rows)
    write_cells(tmp_path / "cells", cells_of_names(rows, sized(CELL_PRESETS["toy"], 5, None)).partition)
    trained = [row for row in rows if row.split is Split.TRAIN]
    (manifest.parent / trained[3].path).write_bytes(b"no image")
    with pytest.raises(PartialFailureError, match=r"1 photographs could not be read and .* expected an image"):
        gallery_of_manifest(manifest, tmp_path / "cells", graph, tmp_path / "gallery", 30.0, 2)
    lat_lng = np.load(tmp_path / "gallery" / "lat_lng.npy")
    index = faiss.read_index(str(tmp_path / "gallery" / "index.faiss"))
    assert index.ntotal == len(lat_lng) == len(trained) - 1
    assert np.abs(lat_lng - np.float32([trained[3].lat, trained[3].lng])).sum(axis=1).min() > 1e-4


@pytest.fixture
def locator(tmp_path) -> Locator:
    bundle = write_tiny_bundle(tmp_path / "tiny.pigeon")
    return replace(open_locator_without_engine(bundle), label="tiny")


def open_locator_without_engine(bundle):
    from pigeon_edge.cells import open_cells
    from pigeon_edge.confidence import open_confidence
    from pigeon_edge.gallery import open_gallery

    told = bundle.description
    return Locator(
        told.preprocess, FakeEncoder(), open_cells(bundle), open_gallery(bundle), told.refinement,
        open_confidence(bundle), bundle.label,
    )  # fmt: skip


def coloured_rows(folder, count):
    rgb = ((250, 25, 25), (25, 250, 25), (25, 25, 250))
    return [
        PhotoRow(
            write_colour(folder / f"{n}.png", rgb[n % 3]), *TINY_CENTROIDS[n % 3], f"p{n}",
            country_code=TINY_PLACES[n % 3][0], country=TINY_PLACES[n % 3][1],
        )
        for n in range(count)
    ]  # fmt: skip


def test_report_of_a_locator_that_is_right(tmp_path, locator):
    report = evaluate(locator, coloured_rows(tmp_path / "a", 9), coloured_rows(tmp_path / "b", 6))
    assert (report.places, report.bundle) == (9, "tiny")
    assert report.ours.percent_within_km["1"] == report.country_percent == 100.0
    assert report.by_centroid.percent_within_km["1"] == 100.0
    assert report.nearest_pixels.median_km == 0.0
    assert report.measured_coverage == 1.0
    assert report.promised_coverage == 0.9
    assert report.constant_guess.percent_within_km["1"] == pytest.approx(33.33)


def test_report_of_a_locator_that_is_wrong(tmp_path, locator):
    rows = coloured_rows(tmp_path / "a", 9)
    moved = [replace(row, country_code="XX", lat=-row.lat, lng=row.lng - 90) for row in rows]
    report = evaluate(locator, moved, rows)
    assert report.ours.percent_within_km["2500"] == report.country_percent == 0.0
    assert report.measured_coverage == 0.0
    assert report.ours.median_km > 5000
