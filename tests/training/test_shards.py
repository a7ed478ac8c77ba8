"""Photographs inside tar and zip files: the same bytes as the files, from any thread; what is torn is said."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pigeon_calibration.observe import Photographs
from pigeon_edge import photograph
from pigeon_edge.errors import InputError
from pigeon_edge.photo_manifest import PhotoRow, Split, read_manifest, write_manifest
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_training import shards
from pigeon_training.dataset import read_all_pixels
from pigeon_training.manifests.bad_rows import Defect
from pigeon_training.manifests.contamination import contamination
from pigeon_training.manifests.examination import examine
from pigeon_training.manifests.importing import import_dataset
from pigeon_training.manifests.layouts import LAYOUTS
from pigeon_training.manifests.table import texts_of
from pigeon_training.photographs import read_bytes, read_pixels, size_of
from pigeon_training.samples import copy_samples
from pigeon_training.shard_formats import ShardFormat
from pigeon_training.shards import Member, member_of, open_shard
from pigeon_training.streaming import PhotoStream, singles

SPEC = PreprocessSpec(size_px=8)


def jpeg(number):
    """Return a photograph of its own noise: a few hundred bytes that no other one has."""
    pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def write_tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_packed_zip(path, members):
    return write_zip(path, members, zipfile.ZIP_DEFLATED)


WRITERS = [(write_tar, "a.tar"), (write_zip, "a.zip"), (write_packed_zip, "b.ZIP")]
in_every_shard = pytest.mark.parametrize(("write", "name"), WRITERS)


@in_every_shard
def test_members_are_read_as_they_were_put_in(tmp_path, write, name):
    photographs = {f"{number % 3:02}/{number}.jpg": jpeg(number) for number in range(12)}
    shard = write(tmp_path / name, photographs.items())
    assert list(open_shard(shard).members()) == sorted(photographs)
    for member, content in photographs.items():
        assert read_bytes(shard / member) == content
        assert size_of(shard / member) == len(content)
    file = tmp_path / "file.jpg"
    file.write_bytes(photographs["00/0.jpg"])
    np.testing.assert_array_equal(read_pixels(shard / "00/0.jpg", SPEC), photograph.read_pixels(file, SPEC))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=12).filter(
    lambda name: name.strip(".")
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=st.dictionaries(NAMES, st.binary(max_size=40), max_size=8), kind=st.sampled_from(WRITERS))
def test_any_names_and_contents_come_back(tmp_path, members, kind):
    write, name = kind
    shard = open_shard(write(tmp_path / name, members.items()))
    assert {member: shard.read(member) for member in members} == members
    assert shard.size_of("x" * 50) is None


@in_every_shard
def test_of_namesakes_the_last_counts(tmp_path, write, name):
    with pytest.warns(UserWarning, match="Duplicate name") if name != "a.tar" else nullcontext():
        shard = write(tmp_path / name, [("a.jpg", b"old"), ("b.jpg", b"other"), ("a.jpg", b"newer")])
    assert read_bytes(shard / "a.jpg") == b"newer"


def test_names_that_begin_with_a_dot_and_slash_are_found(tmp_path):
    shard = write_tar(tmp_path / "a.tar", [("./00/1.jpg", b"one")])
    assert read_bytes(shard / "00" / "1.jpg") == b"one"


def test_only_a_file_with_the_ending_is_a_shard(tmp_path):
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "folder.zip" / "a.jpg").write_bytes(b"a")
    assert member_of(tmp_path / "folder.zip" / "a.jpg") is None
    assert member_of(tmp_path / "none.tar" / "a.jpg") is None
    assert read_bytes(tmp_path / "folder.zip" / "a.jpg") == b"a"
    shard = write_tar(tmp_path / "folder.zip" / "00001.tar", [("x/b.zip/c.jpg", b"c")])
    assert member_of(shard / "x/b.zip/c.jpg") == Member(shard, "x/b.zip/c.jpg")
    assert member_of(shard) is None
    assert size_of(tmp_path / "none.tar" / "a.jpg") is None


@in_every_shard
def test_threads_read_different_members_at_once(tmp_path, write, name):
    contents = [jpeg(number) for number in range(40)]
    shard = write(tmp_path / name, [(f"{number}.jpg", content) for number, content in enumerate(contents)])
    order = np.random.default_rng(0).integers(0, 40, 800).tolist()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: read_bytes(shard / f"{number}.jpg"), order))
    assert found == [contents[number] for number in order]


def test_a_shard_is_listed_once_by_all_threads_and_again_when_it_is_replaced(tmp_path, monkeypatch):
    shard = write_tar(tmp_path / "a.tar", [("a.jpg", b"one")])
    listed = []
    original = shards.FORMATS[".tar"]

    def counting(path):
        listed.append(path)
        return original.members(path)

    monkeypatch.setitem(shards.FORMATS, ".tar", ShardFormat(counting, original.read))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: read_bytes(shard / "a.jpg"), range(200))) == {b"one"}
    assert len(listed) == 1
    write_tar(shard, [("b.jpg", b"two" * 9000)])
    assert read_bytes(shard / "b.jpg") == b"two" * 9000
    assert len(listed) == 2


def test_no_shard_stays_open(tmp_path):
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("open files are listed in /proc on Linux alone")
    paths = [write_zip(tmp_path / f"{number}.zip", [("a.jpg", b"a")]) / "a.jpg" for number in range(30)]
    before = len(list(descriptors.iterdir()))
    assert [read_bytes(path) for path in paths] == [b"a"] * 30
    assert len(list(descriptors.iterdir())) <= before


@in_every_shard
def test_missing_member_is_named_with_its_shard(tmp_path, write, name):
    shard = write(tmp_path / name, [("a.jpg", b"a")])
    with pytest.raises(InputError, match=rf"{name}/b\.jpg: no such photograph among the 1 files of the shard"):
        read_bytes(shard / "b.jpg")
    assert size_of(shard / "b.jpg") is None


@in_every_shard
def test_torn_shard_is_named_and_listed_no_second_time(tmp_path, write, name, monkeypatch):
    whole = write(tmp_path / name, [(f"{number}.jpg", jpeg(number)) for number in range(9)]).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2 + 100])
    words = rf"{name}: expected a whole \.{name[-3:].lower()} file of photographs, .*; fetch the shard again"
    for _ in range(2):
        with pytest.raises(InputError, match=words):
            read_bytes(tmp_path / name / "8.jpg")
        monkeypatch.setattr(shards, "FORMATS", {".tar": None, ".zip": None})  # a second listing would stumble


def test_tar_with_rubbish_in_its_middle_is_torn(tmp_path):
    whole = bytearray(write_tar(tmp_path / "a.tar", [(f"{n}.jpg", b"x" * 512) for n in range(4)]).read_bytes())
    whole[2048:2560] = b"rubbish " * 64
    (tmp_path / "a.tar").write_bytes(whole)
    with pytest.raises(InputError, match="no header of a member at byte 2048"):
        read_bytes(tmp_path / "a.tar" / "0.jpg")


@pytest.mark.parametrize(("write", "name"), WRITERS[1:])
def test_member_with_other_bytes_than_its_checksum_is_torn(tmp_path, write, name):
    content = jpeg(1)
    shard = write(tmp_path / name, [("a.jpg", content), ("b.jpg", jpeg(2))])
    whole = bytearray(shard.read_bytes())
    whole[len(content) // 2] ^= 0xFF
    shard.write_bytes(whole)
    with pytest.raises(InputError, match=rf"{name}/a\.jpg: cannot be read \(.*\); fetch the shard again"):
        read_bytes(shard / "a.jpg")
    assert read_bytes(shard / "b.jpg") == jpeg(2)


def test_other_packings_are_said(tmp_path):
    shard = write_zip(tmp_path / "a.zip", [("a.jpg", b"a" * 99)], zipfile.ZIP_BZIP2)
    with pytest.raises(InputError, match="packed by method 12, expected stored or deflated"):
        read_bytes(shard / "a.jpg")


def test_archives_that_are_no_shards_are_refused_by_the_path(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"x")
    with pytest.raises(InputError, match=r"expected a photograph in a folder, .* unpack the archive"):
        read_pixels(tmp_path / "a.tar.gz" / "a.jpg", SPEC)


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
