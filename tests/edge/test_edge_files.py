from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pigeon_edge.errors import UsageError
from pigeon_edge.files import check_files, replacing, replacing_folder, sha256_of, write_json

MARK = "manifest.*"


def _write_half(target, raised):
    with replacing(target) as scratch:
        scratch.write_text("half")
        raise raised


def _write_half_folder(target, raised):
    with replacing_folder(target, MARK) as scratch:
        scratch.mkdir()
        (scratch / "half").write_text("half")
        raise raised


def _folder(path, *names):
    path.mkdir()
    for name in names:
        (path / name).touch()


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "out.txt"
    with replacing(target) as scratch:
        scratch.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert _names(target.parent) == ["out.txt"]


def test_a_failure_keeps_the_old_file_and_leaves_no_scratch(tmp_path):
    (tmp_path / "out.txt").write_text("old")
    with pytest.raises(ZeroDivisionError):
        _write_half(tmp_path / "out.txt", ZeroDivisionError)
    assert (tmp_path / "out.txt").read_text() == "old"
    assert _names(tmp_path) == ["out.txt"]


def test_a_file_never_takes_the_place_of_a_folder(tmp_path):
    _folder(tmp_path / "photographs", "precious")
    words = r"photographs: expected the name of a file to write, found a folder"
    with pytest.raises(UsageError, match=words), replacing(tmp_path / "photographs") as scratch:
        scratch.write_text("whole")
    assert _names(tmp_path / "photographs") == ["precious"]


def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path):
    (tmp_path / "file").touch()
    words = r"out: cannot be written \(.+\); name another"
    with pytest.raises(UsageError, match=words), replacing(tmp_path / "file" / "out"):
        pass
    with pytest.raises(UsageError, match=words), replacing_folder(tmp_path / "file" / "out", MARK):
        pass


def test_a_file_never_takes_the_place_of_a_device():
    with pytest.raises(UsageError, match=r"/dev/null: expected the name of a file to write, found a device"):
        check_files([Path("/dev/null")])
    with pytest.raises(UsageError, match="found a device"), replacing(Path("/dev/null")):
        pass


def test_files_that_can_be_written_are_checked_and_not_made(tmp_path):
    (tmp_path / "old").touch()
    check_files([tmp_path / "new", None, tmp_path / "deep" / "deeper" / "new", tmp_path / "old"], [tmp_path / "in"])
    assert _names(tmp_path) == ["old"]


def test_what_could_not_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "graph.onnx").touch()
    for outputs in ([tmp_path / "a", tmp_path / "b" / ".." / "a"], [tmp_path / "graph.onnx"]):
        with pytest.raises(UsageError, match="is to be written, and is another of the files too"):
            check_files(outputs, [tmp_path / "graph.onnx"])
    with pytest.raises(UsageError, match="found a folder"):
        check_files([tmp_path])
    with pytest.raises(UsageError, match=r"file: cannot be written \(.*file is no folder that takes files\)"):
        check_files([tmp_path / "file" / "out"])
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UsageError, match="cannot be written"):
        check_files([tmp_path / "out"])


@pytest.mark.parametrize("name", ["folder", "replaced", "new"])
def test_a_folder_replaces_one_of_its_kind_with_none_of_the_old_left_in_it(tmp_path, name):
    _folder(tmp_path / name, "manifest.json", "old")
    with replacing_folder(tmp_path / name, MARK) as scratch:
        scratch.mkdir()
        (scratch / "young").touch()
    assert _names(tmp_path / name) == ["young"]
    assert _names(tmp_path) == [name]


def test_a_folder_of_another_kind_or_a_file_is_not_replaced_by_a_folder(tmp_path):
    _folder(tmp_path / "photographs", "precious")
    (tmp_path / "file").write_text("old")
    for name in ("photographs", "file"):
        words = rf"{name}: is there, and no folder with manifest\.\* that could be replaced"
        with pytest.raises(UsageError, match=words), replacing_folder(tmp_path / name, MARK) as scratch:
            scratch.mkdir()
    assert _names(tmp_path / "photographs") == ["precious"]
    assert (tmp_path / "file").read_text() == "old"


def test_an_empty_folder_gives_way(tmp_path):
    _folder(tmp_path / "empty")
    with replacing_folder(tmp_path / "empty", MARK) as scratch:
        _folder(scratch, "young")
    assert _names(tmp_path / "empty") == ["young"]


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, OSError])
def test_a_failure_keeps_the_old_folder(tmp_path, raised):
    _folder(tmp_path / "folder", "manifest.json")
    with pytest.raises(raised):
        _write_half_folder(tmp_path / "folder", raised)
    assert _names(tmp_path / "folder") == ["manifest.json"]
    assert _names(tmp_path) == ["folder"]


@pytest.mark.parametrize("renames", [0, 1])
@pytest.mark.parametrize("raised", [SystemExit, OSError])
def test_a_failure_of_either_rename_keeps_the_old_folder(tmp_path, monkeypatch, renames, raised):
    _folder(tmp_path / "folder", "manifest.json")
    rename, done = os.replace, []

    def replace(source, target):
        if len(done) == renames:
            done.append(None)
            raise raised
        done.append(None)
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(raised), replacing_folder(tmp_path / "folder", MARK) as scratch:
        _folder(scratch, "manifest.json", "young")
    assert _names(tmp_path / "folder") == ["manifest.json"]
    assert _names(tmp_path) == ["folder"]


def test_writing_nothing_keeps_what_was_there(tmp_path):
    _folder(tmp_path / "folder", "manifest.json")
    (tmp_path / "file").write_text("old")
    with pytest.raises(FileNotFoundError), replacing_folder(tmp_path / "folder", MARK):
        pass
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "file"):
        pass
    assert _names(tmp_path / "folder") == ["manifest.json"]
    assert (tmp_path / "file").read_text() == "old"


def test_json_is_utf_8_and_ends_its_line(tmp_path):
    write_json(tmp_path / "a.json", {"place": "Curaçao"})
    assert (tmp_path / "a.json").read_bytes() == '{\n "place": "Curaçao"\n}\n'.encode()


def test_a_checksum_is_that_of_hashlib_over_several_blocks(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()


ABANDON = """
import os, signal, sys
from pathlib import Path
from pigeon_edge.files import {function}
with {function}({arguments}) as scratch:
    {work}
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_scratch_of_a_killed_program_is_removed_by_the_next(tmp_path, python):
    code = ABANDON.format(function="replacing", arguments="Path('a.txt')", work="scratch.write_text('half')")
    for _ in range(3):
        assert python(code).returncode == -9
        assert len(_names(tmp_path)) == 1
    with replacing(tmp_path / "a.txt") as scratch:
        scratch.write_text("whole")
    assert _names(tmp_path) == ["a.txt"]


def test_scratch_of_a_living_program_is_left_alone(tmp_path):
    with replacing(tmp_path / "a.txt") as first, replacing(tmp_path / "a.txt") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a.txt").read_text() == "first"


def test_an_old_folder_that_a_killed_program_had_moved_away_comes_back(tmp_path, python):
    _folder(tmp_path / "out", "manifest.json")
    work = "scratch.mkdir(); os.replace('out', scratch.parent.parent / 'replaced')"
    code = ABANDON.format(function="replacing_folder", arguments="Path('out'), 'manifest.*'", work=work)
    assert python(code).returncode == -9
    assert not (tmp_path / "out").exists()
    with pytest.raises(ZeroDivisionError):
        _write_half_folder(tmp_path / "out", ZeroDivisionError)
    assert _names(tmp_path) == ["out"]
    assert _names(tmp_path / "out") == ["manifest.json"]
