"""Photographs inside tar and zip files: the same bytes as the files, from any thread; what is torn is said."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.training.shard_files import jpeg, write_packed_zip, write_tar, write_zip

from pigeon_edge.errors import InputError
from pigeon_edge.images import photograph
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.data import shards
from pigeon_training.data.photographs import read_bytes, read_pixels, size_of
from pigeon_training.data.shard_formats import ShardFormat
from pigeon_training.data.shards import Member, member_of, open_shard

SPEC = PreprocessSpec(size_px=8)

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
