"""The journal of an interrupted ``geotag``: what is whole in it outlives whatever ends a run."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from pigeon_edge.archive.journal import journal_of
from pigeon_edge.errors import UsageError


def _event(path):
    return {"source_id": str(path), "status": "located"}


@pytest.fixture
def photographs(tmp_path):
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for path in paths:
        path.write_text("a photograph")
    return paths


def _interrupted(out, label, photographs):
    with suppress(KeyboardInterrupt), journal_of(out, label) as journal:
        for path in photographs:
            journal.add(path, _event(path))
        raise KeyboardInterrupt


def test_what_is_whole_stays_and_a_torn_line_goes(tmp_path, photographs):
    out, part = tmp_path / "a.csv", tmp_path / "a.csv.part"
    _interrupted(out, "tiny@1", photographs[:2])
    before = part.read_bytes()
    part.write_bytes(before + b'{"file": [12, 3')
    _interrupted(out, "tiny@1", [])
    assert part.read_bytes() == before
    _interrupted(out, "tiny@1", photographs[2:])
    assert part.read_bytes().startswith(before)
    assert len([json.loads(line) for line in part.read_text().splitlines()]) == 4
    with journal_of(out, "tiny@1") as journal:
        assert [journal.find(path) for path in photographs] == [_event(path) for path in photographs]
        photographs[0].write_text("another photograph")
        assert journal.find(photographs[0]) is None
    assert not part.exists()


def test_another_bundle_begins_anew_and_errors_are_tried_again(tmp_path, photographs):
    _interrupted(tmp_path / "a.csv", "tiny@1", photographs)
    with journal_of(tmp_path / "a.csv", "tiny@2") as journal:
        assert journal.count == 0
        journal.add(photographs[0], {"source_id": str(photographs[0]), "status": "error"})
        assert journal.find(photographs[0]) is None


def test_two_runs_do_not_write_one_output(tmp_path):
    second = journal_of(tmp_path / "a.csv", "tiny@1")
    with journal_of(tmp_path / "a.csv", "tiny@1"), pytest.raises(UsageError, match="another run is writing"):
        second.__enter__()
