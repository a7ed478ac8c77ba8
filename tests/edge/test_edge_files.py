from __future__ import annotations

import hashlib

import pytest

from pigeon_edge.files import replacing, sha256_of, write_json


def _write_half(target, raised):
    with replacing(target) as scratch:
        if target.is_dir():
            scratch.mkdir()
        (scratch / "half" if target.is_dir() else scratch).write_text("half")
        raise raised


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "out.txt"
    with replacing(target) as scratch:
        scratch.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["out.txt"]


def test_a_failure_keeps_the_old_file_and_leaves_no_scratch(tmp_path):
    (tmp_path / "out.txt").write_text("old")
    with pytest.raises(ZeroDivisionError):
        _write_half(tmp_path / "out.txt", ZeroDivisionError)
    assert (tmp_path / "out.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("name", ["folder", "replaced", "new"])
def test_a_folder_replaces_a_folder_with_none_of_the_old_left_in_it(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "old").touch()
    with replacing(tmp_path / name) as scratch:
        scratch.mkdir()
        (scratch / "young").touch()
    assert [path.name for path in (tmp_path / name).iterdir()] == ["young"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, OSError])
def test_a_failure_keeps_the_old_folder(tmp_path, raised):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    with pytest.raises(raised):
        _write_half(tmp_path / "folder", raised)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_writing_nothing_keeps_what_was_there(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    (tmp_path / "file").write_text("old")
    for name in ("folder", "file"):
        with pytest.raises(FileNotFoundError), replacing(tmp_path / name):
            pass
    assert (tmp_path / "folder" / "old").exists()
    assert (tmp_path / "file").read_text() == "old"


def test_json_is_utf_8_and_ends_its_line(tmp_path):
    write_json(tmp_path / "a.json", {"place": "Curaçao"})
    assert (tmp_path / "a.json").read_bytes() == '{\n "place": "Curaçao"\n}\n'.encode()


def test_a_checksum_is_that_of_hashlib_over_several_blocks(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()
