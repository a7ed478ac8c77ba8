"""From a manifest and a graph to a gallery."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import onnx
import pytest
import torch

from pigeon_edge.encoders import Engine, open_graph
from pigeon_edge.encoders.protocol import unit
from pigeon_edge.errors import InputError
from pigeon_edge.photo_manifest import PhotoRow, Split, read_manifest
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_export.to_onnx import to_onnx
from pigeon_training.cells.semantic import cells_of_names
from pigeon_training.cells.store import write_cells
from pigeon_training.dataset import read_all_pixels
from pigeon_training.embed import embed, spec_of_graph
from pigeon_training.gallery import gallery_of_manifest
from pigeon_training.model import new_tower
from pigeon_training.presets import CELL_PRESETS, LOCATION_PRESETS, TowerPreset, sized


@pytest.fixture
def graph(tmp_path):
    torch.manual_seed(3)
    tower = new_tower(TowerPreset(image_size_px=16, patch_px=8, width=24, layers=1, heads=2, mlp_width=32))
    heads = {"cells.weight": np.ones((2, 24), np.float32), "cells.bias": np.zeros(2, np.float32)}
    onnx.save_model(to_onnx(tower, PreprocessSpec(16), heads), str(tmp_path / "encoder.onnx"))
    return tmp_path / "encoder.onnx"


def test_embeddings_are_unit_and_in_the_order_of_the_rows(graph, album, monkeypatch):
    rows = read_manifest(album([PhotoRow(Path(f"{n}.png"), 1.0, 2.0, f"p{n}") for n in range(7)]))
    encoder, spec = open_graph(graph, Engine.ONNXRUNTIME), spec_of_graph(graph)
    monkeypatch.setattr("pigeon_training.embed.CHUNK", 3)
    expected = unit(encoder.encode(read_all_pixels(rows, spec)).embedding)
    np.testing.assert_allclose(embed(rows, encoder, spec), expected, atol=1e-5)


def test_file_that_is_no_graph_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match=r"x\.onnx: "):
        spec_of_graph(tmp_path / "x.onnx")


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
