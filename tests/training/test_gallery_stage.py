"""From a manifest and a graph to a gallery."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import onnx
import pytest
import torch

from pigeon_edge.errors import PartialFailureError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import Split
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_training.cells.gallery import gallery_of_manifest
from pigeon_training.cells.semantic import cells_of_names
from pigeon_training.cells.store import write_cells
from pigeon_training.data.dataset import read_rows
from pigeon_training.data.manifests.joining import join_manifests
from pigeon_training.data.manifests.table import moved_paths, read_table, write_table
from pigeon_training.model.geocell_model import new_tower
from pigeon_training.presets import CELL_PRESETS, LOCATION_PRESETS, TowerPreset, sized


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
    count, clusters = gallery_of_manifest(
        manifest, tmp_path / "cells", graph, tmp_path / "gallery", LOCATION_PRESETS["toy"], 2
    )
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
        gallery_of_manifest(manifest, tmp_path / "cells", graph, tmp_path / "gallery", LOCATION_PRESETS["toy"], 2)
    lat_lng = np.load(tmp_path / "gallery" / "lat_lng.npy")
    index = faiss.read_index(str(tmp_path / "gallery" / "index.faiss"))
    assert index.ntotal == len(lat_lng) == len(trained) - 1
    assert np.abs(lat_lng - np.float32([trained[3].lat, trained[3].lng])).sum(axis=1).min() > 1e-4


def test_gallery_of_joined_manifests_is_that_of_both(tmp_path, graph, album, rows_of):
    manifest = album([row for name, lat in (("East", 50), ("West", 20)) for row in rows_of(name, 30, lat, 20)])
    parts = [tmp_path / "east" / "m.csv", tmp_path / "west" / "m.parquet"]
    for part, start in zip(parts, (0, 30), strict=True):
        write_table(part, moved_paths(read_table(manifest).slice(start, 30), manifest.parent, part.parent))
    write_table(tmp_path / "joined.csv", join_manifests(parts, tmp_path / "joined.csv").table)
    cells = cells_of_names(read_rows(tmp_path / "joined.csv"), sized(CELL_PRESETS["toy"], 5, None)).partition
    assert {region.admin1 for region in cells.regions} == {"East", "West"}
    write_cells(tmp_path / "cells", cells)
    held = {}
    for source in (*parts, tmp_path / "joined.csv"):
        out = tmp_path / f"{source.stem}-{source.parent.name}"
        gallery_of_manifest(source, tmp_path / "cells", graph, out, LOCATION_PRESETS["toy"], 2)
        held[source] = sorted(np.load(out / "lat_lng.npy").tolist())
    assert held[tmp_path / "joined.csv"] == sorted(held[parts[0]] + held[parts[1]])
    assert min(len(held[part]) for part in parts) > 5
