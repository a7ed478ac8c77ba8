"""The store of embeddings: made once, mapped, checked; a run goes on where it stopped, and on nothing else."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from pigeon_calibration.gate.parity import cosine_per_row
from pigeon_edge.encoders import open_graph
from pigeon_edge.errors import InputError, PartialFailureError, UsageError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow, read_manifest, write_manifest
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_training.cli import app
from pigeon_training.data.dataset import read_all_pixels
from pigeon_training.embedding import embed as stage
from pigeon_training.embedding import embedder
from pigeon_training.embedding.embedder import Embedder, embedded, open_embedder, tower_sha256
from pigeon_training.embedding.run import EmbeddingRun
from pigeon_training.embedding.store import open_embeddings
from pigeon_training.model.clip_folder import load_tower
from pigeon_training.testing import write_tiny_clip

SPEC = PreprocessSpec(8)


def mean_colour(pixels):
    """Embed (N, S, S, 3) uint8 as five numbers of their colours."""
    means = pixels.reshape(len(pixels), -1, 3).mean(axis=1)
    return np.concatenate([means, means[:, :2] / 7], axis=1).astype(np.float32)


class Embedders:
    """Gives out embedders of one identity; counts photographs, and fails after some."""

    def __init__(self):
        self.sha256, self.seen, self.fail_after = "a" * 64, 0, 10**9

    def __call__(self, model):
        def counting(pixels):
            if self.seen >= self.fail_after:
                raise KeyboardInterrupt
            self.seen += len(pixels)
            return mean_colour(pixels)

        return Embedder(self.sha256, "float32", SPEC, 5, counting)


@pytest.fixture
def embedders(monkeypatch):
    monkeypatch.setattr(embedder, "CHUNK", 4)
    embedders = Embedders()
    monkeypatch.setattr(stage, "open_embedder", embedders)
    return embedders


@pytest.fixture
def manifest(album, rows_of):
    return album(rows_of("North", 23, 1.0, 2.0, spread_deg=3.0))


@pytest.fixture
def make(manifest, tmp_path, embedders):
    def run(name="E", *, photographs=manifest):
        return stage.embed_manifest("model", photographs, tmp_path / name, lambda _: None)

    return run


def test_rows_are_the_embeddings_of_the_photographs_in_order(make, manifest):
    embeddings, rows = make(), read_manifest(manifest)
    np.testing.assert_array_equal(embeddings.embedding, mean_colour(read_all_pixels(rows, SPEC)))
    found, numbers = embeddings.of(manifest, rows[::-3])
    assert (found, numbers) == (rows[::-3], list(range(23))[::-3])
    assert embeddings.folder.is_dir()
    assert {path.name for path in embeddings.folder.iterdir()} == {
        "embedding.npy", "photographs.csv", "unreadable.csv", "embeddings.json",
    }  # fmt: skip
    assert not embeddings.folder.with_name("E.run").exists()
    embeddings.verify()


def test_embeddings_are_mapped_not_read(make):
    embedding = make().embedding
    assert isinstance(embedding, np.memmap)
    assert embedding.mode == "r"
    assert (embedding.dtype, embedding.shape) == (np.float32, (23, 5))
    with pytest.raises(ValueError, match="read-only"):
        embedding[0] = 0


def test_interrupted_run_goes_on_where_it_stopped(make, embedders, tmp_path):
    expected = np.array(make("whole").embedding)
    embedders.seen, embedders.fail_after = 0, 10
    with pytest.raises(KeyboardInterrupt):
        make()
    assert not (tmp_path / "E").exists()
    embedders.seen, embedders.fail_after = 0, 10**9
    embeddings = make()
    assert embedders.seen == 23 - 12
    np.testing.assert_array_equal(embeddings.embedding, expected)
    embeddings.verify()


@pytest.mark.parametrize(("damage", "left"), [("torn line", 15), ("flipped byte", 19), ("cut", 15), ("no rows", 23)])
def test_chunks_that_are_not_whole_are_embedded_again(make, embedders, tmp_path, damage, left):
    expected = np.array(make("whole").embedding)
    embedders.fail_after = embedders.seen + 10
    with pytest.raises(KeyboardInterrupt):
        make()
    journal, rows = tmp_path / "E.run" / "journal.jsonl", tmp_path / "E.run" / "embedding.npy"
    if damage == "torn line":
        journal.write_text(journal.read_text()[:-20])
        rows.write_bytes(rows.read_bytes() + b"half a row")
    elif damage == "flipped byte":
        content = bytearray(rows.read_bytes())
        content[128 + 4 * 5 * 4 + 3] ^= 1
        rows.write_bytes(content)
    elif damage == "cut":
        rows.write_bytes(rows.read_bytes()[:-1])
    else:
        rows.unlink()
    embedders.seen, embedders.fail_after = 0, 10**9
    embeddings = make()
    assert embedders.seen == left
    np.testing.assert_array_equal(embeddings.embedding, expected)
    embeddings.verify()


def test_run_that_was_whole_but_for_its_name_is_finished_without_embedding(make, embedders, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddingRun, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make()
    embedders.seen = 0
    assert len(make().embedding) == 23
    assert embedders.seen == 0


def test_second_run_finds_nothing_to_do(make, embedders):
    make()
    embedders.seen = 0
    assert len(make().embedding) == 23
    assert embedders.seen == 0


def test_other_encoder_or_photographs_are_refused(make, embedders, manifest, tmp_path):
    fewer = manifest.with_name("fewer.csv")
    write_manifest(fewer, read_manifest(manifest)[1:])
    make("done")
    embedders.fail_after = embedders.seen + 10
    with pytest.raises(KeyboardInterrupt):
        make()
    for name, words in (
        ("E", r"E\.run: an unfinished run of another encoder"),
        ("done", "of another encoder or other"),
    ):
        with pytest.raises(UsageError, match=words):
            make(name, photographs=fewer)
        embedders.sha256 = "b" * 64
        with pytest.raises(UsageError, match=words):
            make(name)
        embedders.sha256 = "a" * 64


def test_flipped_byte_is_found(make):
    embeddings = make()
    path = embeddings.folder / "embedding.npy"
    content = bytearray(path.read_bytes())
    content[128 + 4 * 5 * 9 + 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="rows 8 to 11 are not as they were written"):
        open_embeddings(embeddings.folder).verify()


@pytest.mark.parametrize("name", ["embedding.npy", "photographs.csv", "unreadable.csv", "embeddings.json"])
def test_folder_that_is_not_whole_is_refused(make, name):
    folder = make().folder
    content = (folder / name).read_text(encoding="latin-1")
    (folder / name).unlink()
    with pytest.raises(InputError, match=r"expected embeddings, .*train embed"):
        open_embeddings(folder)
    if name in {"embedding.npy", "photographs.csv", "embeddings.json"}:
        (folder / name).write_text(content[: len(content) // 2], encoding="latin-1")
        with pytest.raises(InputError, match="expected embeddings, "):
            open_embeddings(folder)


def test_unreadable_photographs_have_no_row(make, manifest):
    rows = read_manifest(manifest)
    for lost in (0, 4, 5, 6, 7, 22):
        rows[lost].path.write_bytes(b"no image")
    embeddings = make()
    kept = [row for number, row in enumerate(rows) if number not in {0, 4, 5, 6, 7, 22}]
    found, numbers = embeddings.of(manifest, rows)
    assert (found, numbers) == (kept, list(range(17)))
    np.testing.assert_array_equal(embeddings.embedding, mean_colour(read_all_pixels(kept, SPEC)))
    with (embeddings.folder / "unreadable.csv").open(newline="") as file:
        told = {record["path"]: record["reason"] for record in csv.DictReader(file)}
    assert set(told) == {rows[lost].path.name for lost in (0, 4, 5, 6, 7, 22)}
    assert all("expected an image" in reason for reason in told.values())
    embeddings.verify()


def test_manifest_without_one_readable_photograph_is_an_error_each_time(make, manifest, tmp_path):
    for row in read_manifest(manifest):
        row.path.unlink()
    for _ in range(2):
        with pytest.raises(InputError, match="none of 23 "):
            make()
    assert not (tmp_path / "E").exists()


def test_rows_of_another_manifest_are_refused_and_more_columns_are_not(make, manifest, tmp_path):
    embeddings = make()
    rows = read_manifest(manifest)
    assert embeddings.of(manifest, [replace(rows[2], country="Bland", place_id="x")])[1] == [2]
    with pytest.raises(InputError, match=r"Aland-North-2\.jpg at 9\.0.* is not among the embeddings"):
        embeddings.of(manifest, [rows[0], replace(rows[2], lat=9.0)])
    with pytest.raises(InputError, match=r"new\.jpg at 1\.0, 2\.0 is not among"):
        embeddings.of(manifest, [PhotoRow(manifest.parent / "new.jpg", 1.0, 2.0, "p")])


def test_embedding_that_is_not_finite_is_an_error(manifest):
    broken = Embedder("a", "float32", SPEC, 2, lambda pixels: np.full((len(pixels), 2), np.nan, np.float32))
    with pytest.raises(InputError, match="is not finite; check the encoder"):
        list(embedded(read_manifest(manifest), broken))


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def processor(monkeypatch):
    """Return a function: have the processor multiply in bfloat16, or not, and no GPU be there."""

    def having(instructions):
        monkeypatch.setattr("pigeon_training.matrix_precision.bfloat16_instructions", lambda: instructions)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    return having


def test_embeddings_are_in_bfloat16_where_the_processor_multiplies_in_it(tiny_clip, manifest, processor):
    rows = read_manifest(manifest)[:5]
    found = {}
    for instructions, precision in ((None, "float32"), ("avx512_bf16", "bfloat16")):
        processor(instructions)
        embedder = open_embedder(str(tiny_clip))
        assert embedder.precision == precision
        (chunk,) = embedded(rows, embedder)
        found[precision] = chunk.embedding
    assert not np.array_equal(found["float32"], found["bfloat16"])
    assert cosine_per_row(found["float32"], found["bfloat16"]).min() > 0.999


def test_tower_and_its_graph_embed_alike(tiny_clip, manifest, tmp_path, processor):
    processor(None)
    tower, rows = load_tower(str(tiny_clip)), read_manifest(manifest)[:5]
    spec = PreprocessSpec(tower.config.image_size)
    heads = {"cells.weight": np.ones((2, 32), np.float32), "cells.bias": np.zeros(2, np.float32)}
    onnx.save_model(to_onnx(tower, spec, heads), str(tmp_path / "encoder.onnx"))
    by_tower, by_graph = open_embedder(str(tiny_clip)), open_embedder(str(tmp_path / "encoder.onnx"))
    (one,), (other,) = embedded(rows, by_tower), embedded(rows, by_graph)
    assert one.rows == other.rows == tuple(rows)
    assert one.embedding.shape == (5, by_tower.width) == (5, by_graph.width)
    np.testing.assert_allclose(one.embedding, other.embedding, rtol=1e-3, atol=1e-4)
    pixels = read_all_pixels(rows, spec)
    np.testing.assert_allclose(other.embedding, open_graph(tmp_path / "encoder.onnx").encode(pixels).embedding)
    assert by_tower.sha256 == tower_sha256(tower) != by_graph.sha256


def test_identity_of_a_tower_is_that_of_its_weights(tiny_clip, tmp_path):
    tower = load_tower(str(tiny_clip))
    expected = tower_sha256(tower)
    tower.save_pretrained(tmp_path / "again")
    assert tower_sha256(load_tower(str(tmp_path / "again"))) == expected
    with torch.no_grad():
        next(tower.parameters()).view(-1)[0].add_(1e-6)
    assert tower_sha256(tower) != expected


def test_file_that_is_no_graph_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match=r"x\.onnx: expected a graph"):
        open_embedder(str(tmp_path / "x.onnx"))


def test_command_embeds_and_tells_what_it_left_out(tiny_clip, manifest, tmp_path, processor):
    processor("amx_bf16")
    read_manifest(manifest)[3].path.write_bytes(b"no image")
    arguments = ["embed", str(tiny_clip), "--manifest", str(manifest), "--out", str(tmp_path / "E")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, PartialFailureError)
    assert "1 photographs could not be read" in str(result.exception)
    assert open_embeddings(tmp_path / "E").embedding.shape == (22, 32)
    note = json.loads((tmp_path / "E" / "embeddings.json").read_text())
    assert (note["count"], note["encoding"]["precision"]) == (22, "bfloat16")
    assert "22 embeddings of 32 in" in result.stderr
    assert "products in bfloat16" in result.stderr
    assert note["encoding"]["preprocess"]["size_px"] == 32
    assert Path(tmp_path / "E" / "photographs.csv").read_text().splitlines()[0] == "path,lat,lng"
