"""From an album to a model folder with heads: the commands as a user gives them, and the graph of what they made."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from pigeon_edge.encoders import open_graph
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.manifest import Split, read_manifest
from pigeon_export.graph.to_onnx import export_folder
from pigeon_training.cells.semantic import cells_of_names
from pigeon_training.cells.store import write_cells
from pigeon_training.cli import app
from pigeon_training.data.dataset import read_all_pixels
from pigeon_training.data.manifests.table import read_table, with_columns, write_table
from pigeon_training.data.streaming import panoramas, singles
from pigeon_training.embedding.embed import embed_manifest
from pigeon_training.learning.heads.fit_heads import heads_of_manifest
from pigeon_training.model.geocell_model import normalise, planes
from pigeon_training.model.model_folder import load_model
from pigeon_training.presets import CELL_PRESETS, HEADS_PRESETS, sized
from pigeon_training.testing import write_tiny_clip

pytestmark = pytest.mark.usefixtures("one_thread")

PRESET = replace(HEADS_PRESETS["toy"], epochs=3, batch=16)


@pytest.fixture
def prepared(tmp_path, rows_of, album):
    """Return a folder with a tower, a manifest of places with two views each, geocells and embeddings."""
    rows = [
        replace(row, place_id=f"{name}-{n // 2}", heading_deg=90.0 * (n % 2))
        for name, lat in (("East", 50.0), ("West", 20.0), ("South", -30.0))
        for n, row in enumerate(rows_of(name, 40, lat, 2 * lat, spread_deg=0.0))
    ]
    manifest = album(rows)
    table = read_table(manifest)
    climates = ["Cfb" if row.lat > 0 else "BWh" for row in rows]
    heights = [str(100 * n % 700) if n % 5 else "" for n in range(len(rows))]
    write_table(manifest, with_columns(table, {"climate": climates, "elevation_m": heights}))
    write_tiny_clip(tmp_path / "tower")
    write_cells(tmp_path / "cells", cells_of_names(rows, sized(CELL_PRESETS["toy"], 5, None)).partition)
    embed_manifest(str(tmp_path / "tower"), manifest, tmp_path / "E", lambda _: None)
    return manifest


def train(folder, manifest, *, model="tower", preset=PRESET, group=singles, out="model"):
    lines = []
    arguments = (folder / "E", manifest, folder / "cells", str(folder / model), folder / out)
    heads_of_manifest(*arguments, preset, group, lines.append)
    return lines


def test_commands_make_a_model_that_exports_with_the_same_logits(prepared, tmp_path):
    arguments = [
        "heads", str(tmp_path / "tower"), "--embeddings", str(tmp_path / "E"), "--manifest", str(prepared), "--cells",
        str(tmp_path / "cells"), "--preset", "toy", "--panoramas", "--tau-km", "90", "--out", str(tmp_path / "model"),
    ]  # fmt: skip
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    model = load_model(tmp_path / "model")
    assert set(model.model.heads) == {"cells", "regression", "climate"}
    assert model.scale is not None
    export_folder(str(tmp_path / "model"), tmp_path / "encoder.onnx")
    onnx.checker.check_model(str(tmp_path / "encoder.onnx"))
    pixels = read_all_pixels(read_manifest(prepared)[:4], model.spec)
    with torch.inference_mode():
        embedding, outputs = model.model(normalise(planes(torch.from_numpy(pixels)), model.spec))
    found = open_graph(tmp_path / "encoder.onnx").encode(pixels)
    np.testing.assert_allclose(found.embedding, embedding.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.cell_logits, outputs["cells"].numpy(), rtol=1e-3, atol=1e-3)
    assert model.scale.trained == ("elevation_m",)
    assert {name: values.shape[1] for name, values in found.tasks.items()} == {"regressions": 1, "climate_logits": 31}
    heights = np.exp(found.tasks["regressions"][:, 0]) - 408
    np.testing.assert_allclose(heights, model.scale.units(outputs["regression"].numpy())[:, 0], rtol=1e-2, atol=1)
    report = json.loads((tmp_path / "model" / "training.json").read_text())
    assert report["preset"]["smoothing"] == {"tau_km": 90.0, "normalised": True}
    assert report["samples"] == sum(row.split is Split.TRAIN for row in read_manifest(prepared)) // 2


def test_log_has_a_line_an_epoch_and_the_report_the_best(prepared, tmp_path):
    lines = train(tmp_path, prepared)
    with (tmp_path / "model" / "log.csv").open(newline="") as file:
        log = list(csv.DictReader(file))
    assert [row["epoch"] for row in log] == ["1", "2", "3"]
    report = json.loads((tmp_path / "model" / "training.json").read_text())
    assert report["best"]["validation_km"] == pytest.approx(min(float(row["validation_km"]) for row in log), rel=1e-4)
    assert [line for line in lines if line.startswith("epoch 3: loss ")]
    assert not (tmp_path / "model.run").exists()


def test_samples_and_known_targets_are_told(prepared, tmp_path):
    rows = read_manifest(prepared)
    trained, validated = (sum(row.split is split for row in rows) for split in (Split.TRAIN, Split.VALIDATION))
    by_view, by_place = (train(tmp_path, prepared, group=group, out=group.__name__) for group in (singles, panoramas))
    assert by_view[0] == f"pigeon-edge: {trained} samples to train on, {validated} to validate on"
    assert by_place[0] == f"pigeon-edge: {trained // 2} samples to train on, {validated // 2} to validate on"
    heights = sum(bool(n % 5) for n, row in enumerate(rows) if row.split is Split.TRAIN)
    assert f"elevation_m {heights}, population 0, " in by_view[1]
    assert by_view[1].endswith(f"climate {trained}, month 0")
    assert by_view[2].startswith("pigeon-edge: no head for month: no sample has a target")


def test_photographs_without_an_embedding_are_told_and_left_out(prepared, tmp_path):
    rows = read_manifest(prepared)
    lost = next(row for row in rows if row.split is Split.TRAIN)
    lost.path.write_bytes(b"no image")
    embed_manifest(str(tmp_path / "tower"), prepared, tmp_path / "fewer", lambda _: None)
    (tmp_path / "E").rename(tmp_path / "all")
    (tmp_path / "fewer").rename(tmp_path / "E")
    trained = sum(row.split is Split.TRAIN for row in rows)
    lines = train(tmp_path, prepared)
    assert lines[0] == f"pigeon-edge: 1 of {trained} photographs have no embedding and are left out"
    assert lines[1].startswith(f"pigeon-edge: {trained - 1} samples")


def test_embeddings_of_another_tower_are_refused(prepared, tmp_path):
    write_tiny_clip(tmp_path / "other", seed=8)
    with pytest.raises(UsageError, match=r"E: embeddings of the encoder .* name the model that embedded them"):
        train(tmp_path, prepared, model="other")


def test_damaged_embeddings_are_refused(prepared, tmp_path):
    path = tmp_path / "E" / "embedding.npy"
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="are not as they were written"):
        train(tmp_path, prepared)
    assert not (tmp_path / "model").exists()
