"""Manifests whose photographs lie in shards: every stage reads them, or says that it does not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.training.shard_files import jpeg, write_packed_zip, write_tar, write_zip

from pigeon_calibration.photographs import Photographs
from pigeon_edge.errors import InputError
from pigeon_edge.images import photograph
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow, Split, read_manifest, write_manifest
from pigeon_training.data.dataset import read_all_pixels
from pigeon_training.data.manifests.bad_rows import Defect
from pigeon_training.data.manifests.contamination import contamination
from pigeon_training.data.manifests.examination import examine
from pigeon_training.data.manifests.importing import import_dataset
from pigeon_training.data.manifests.layouts import LAYOUTS
from pigeon_training.data.manifests.table import texts_of
from pigeon_training.data.photographs import read_bytes
from pigeon_training.data.samples import copy_samples
from pigeon_training.data.streaming import PhotoStream, singles

SPEC = PreprocessSpec(size_px=8)


@pytest.fixture
def sharded(tmp_path):
    """Return a manifest of 40 photographs in a webdataset's tar and a zip, and their bytes by name."""
    contents = {f"{number}.jpg": jpeg(number) for number in range(40)}
    sidecars = [(name.replace(".jpg", ".json"), json.dumps({"key": name}).encode()) for name in contents]
    names = list(contents)
    (tmp_path / "shards").mkdir()
    write_tar(tmp_path / "shards" / "00000.tar", sorted([*((n, contents[n]) for n in names[:20]), *sidecars[:20]]))
    write_packed_zip(tmp_path / "shards" / "01.zip", [(f"01/{n}", contents[n]) for n in names[20:]])
    paths = [f"shards/00000.tar/{n}" for n in names[:20]] + [f"shards/01.zip/01/{n}" for n in names[20:]]
    rows = [
        PhotoRow(tmp_path / path, 1.0 + number, 2.0, f"place{number}", country="Aland")
        for number, path in enumerate(paths)
    ]
    write_manifest(tmp_path / "manifest.csv", rows)
    return tmp_path / "manifest.csv", contents


def test_manifest_of_members_is_streamed_and_read_as_one_of_files(sharded, tmp_path):
    manifest, contents = sharded
    rows = read_manifest(manifest)
    pixels = {}
    for batch in PhotoStream(singles(rows), SPEC, batch=7).batches(0):
        assert not batch.unreadable
        pixels.update({row.path.name: image for row, image in zip(batch.rows, batch.pixels, strict=True)})
    assert set(pixels) == set(contents)
    for row in rows:
        (tmp_path / "file.jpg").write_bytes(contents[row.path.name])
        expected = photograph.read_pixels(tmp_path / "file.jpg", SPEC)
        np.testing.assert_array_equal(pixels[row.path.name], expected)
        np.testing.assert_array_equal(read_all_pixels([row], SPEC)[0], expected)


def test_torn_member_is_left_out_of_its_batch_and_told(sharded):
    manifest, _ = sharded
    rows = read_manifest(manifest)
    lost = PhotoRow(rows[0].path.with_name("lost.jpg"), 1.0, 2.0, "p")
    (batch,) = PhotoStream(singles([rows[0], lost]), SPEC, batch=2).in_order()
    assert [row.path.name for row in batch.rows] == ["0.jpg"]
    assert "00000.tar/lost.jpg: no such photograph" in batch.unreadable[0].reason


def test_check_examines_members_and_torn_shards(sharded):
    manifest, contents = sharded
    write_zip(manifest.parent / "torn.zip", [("a.jpg", contents["1.jpg"])])
    (manifest.parent / "torn.zip").write_bytes(b"PK\3\4 nothing")
    write_tar(manifest.parent / "broken.tar", [("a.jpg", b"no image")])
    lines = ["torn.zip/a.jpg,5,5", "broken.tar/a.jpg,5,5", "shards/01.zip/01/none.jpg,5,5", "none.zip/a.jpg,5,5"]
    columns = manifest.read_text().splitlines()[0].count(",")
    manifest.write_text(manifest.read_text() + "".join(f"{line}{',' * (columns - 2)}\n" for line in lines))
    found = examine(manifest, [], lambda rows, total: rows)
    assert [(bad.number, bad.defect) for bad in found.bad] == [
        (40, Defect.UNREADABLE), (41, Defect.UNREADABLE), (42, Defect.MISSING), (43, Defect.MISSING),
    ]  # fmt: skip
    assert found.clean.num_rows == 40
    (reason,) = found.torn
    assert found.torn[reason] == 1  # the other three rows are no fault of a shard's list
    assert any(line.startswith("        1 rows: ") and "torn.zip: expected a whole .zip" in line
               for line in found.report())  # fmt: skip


def test_check_of_whole_shards_names_none(sharded):
    manifest, _ = sharded
    found = examine(manifest, [], lambda rows, total: rows)
    assert not found.torn
    assert not any("shard" in line for line in found.report())


def test_benchmark_photographs_are_found_in_shards_by_content(sharded, tmp_path):
    manifest, contents = sharded
    rows = read_manifest(manifest)
    (tmp_path / "copy-of-x.jpg").write_bytes(contents["25.jpg"])
    torn = write_zip(tmp_path / "t.zip", [("y.jpg", contents["3.jpg"])])
    whole = bytearray(torn.read_bytes())
    whole[200] ^= 0xFF
    torn.write_bytes(whole)
    benchmark = [PhotoRow(tmp_path / name, 1.0, 2.0, "b") for name in ("copy-of-x.jpg", "t.zip/y.jpg")]
    assert contamination(rows, benchmark).by_content == (25,)


def test_samples_are_copied_out_of_shards(sharded, tmp_path):
    manifest, contents = sharded
    copy_samples(manifest, tmp_path / "samples", 3)
    test_bytes = {contents[row.path.name] for row in read_manifest(manifest) if row.split is Split.TEST}
    copied = [path.read_bytes() for path in sorted((tmp_path / "samples").iterdir())]
    assert len(copied) == 3
    assert set(copied) <= test_bytes


def test_openstreetview_is_imported_from_its_zips_and_unpacked_files_come_first(tmp_path):
    folder = tmp_path / "images" / "train"
    (folder / "01").mkdir(parents=True)
    write_zip(folder / "00.zip", [("00/11.jpg", jpeg(1)), ("00/12.jpg", jpeg(2)), ("00/12.txt", b"no photograph")])
    write_zip(folder / "01.zip", [("01/13.jpg", jpeg(3))])
    (folder / "01" / "13.jpg").write_bytes(jpeg(3))
    table = "id,latitude,longitude,unique_country,creator_id\n11,1,2,FR,a\n12,3,4,FR,b\n13,5,6,FR,c\n14,7,8,FR,d\n"
    (tmp_path / "train.csv").write_text(table)
    imported = import_dataset(LAYOUTS["osv5m"], tmp_path)
    paths = texts_of(imported.table, "path")
    assert paths == ["images/train/00.zip/00/11.jpg", "images/train/00.zip/00/12.jpg", "images/train/01/13.jpg"]
    assert [(bad.number, bad.defect) for bad in imported.bad] == [(3, Defect.MISSING)]
    assert read_bytes(tmp_path / paths[1]) == jpeg(2)


def test_calibration_says_that_it_reads_files_alone(sharded):
    manifest, _ = sharded
    paths = [row.path for row in read_manifest(manifest)]
    with pytest.raises(InputError, match=r"none can be read; .* unpack the archive"):
        list(Photographs(paths, SPEC).batches())
