"""What an interrupted run of ``geotag`` has done, so that the next one goes on: OUT.part, beside the output.

Its first line names the bundle; each further one is a photograph's event with the size and time of its file. It is
removed once the output is whole.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pigeon_edge.errors import UsageError
from pigeon_edge.events.event import SCHEMA, Event


class Journal:
    """Events of photographs that were located, by their paths."""

    def __init__(self, path: Path, file: IO[str], known: dict[str, dict[str, Any]]) -> None:
        self.path, self._file, self._known = path, file, known

    @property
    def count(self) -> int:
        """The number of photographs that it holds."""
        return len(self._known)

    def find(self, photograph: Path) -> Event | None:
        """Return the event of a photograph whose file is as it was, else None."""
        entry = self._known.get(str(photograph))
        return entry["event"] if entry and entry["file"] == _stamp(photograph) else None

    def add(self, photograph: Path, event: Event) -> Event:
        """Keep an event, but for errors, which are tried again; return it."""
        if event["status"] == "located":
            entry = {"file": _stamp(photograph), "event": event}
            self._known[str(photograph)] = entry
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
        return event


@contextmanager
def journal_of(out: Path, bundle_label: str) -> Iterator[Journal]:
    """Open the journal beside an output; remove it where the run ends well, or where it is empty.

    What another bundle answered is begun anew. Raises UsageError where another run writes the same output, or where
    nothing can be written.
    """
    path = out.resolve().with_name(f"{out.resolve().name}.part")
    head = {"journal": 1, "schema": SCHEMA, "bundle": bundle_label}
    with _locked(path) as file:
        known, whole = _read(file, head)
        file.truncate(whole)  # what is whole is never written again, so that nothing can lose it
        if not whole:
            file.write(json.dumps(head) + "\n")
            file.flush()
        journal = Journal(path, file, known)
        try:
            yield journal
        except BaseException:
            if not journal.count:
                path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); name another file") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{path}: another run is writing this output; wait for it, or name another") from error
        except OSError:  # a file system without locks
            pass
        yield file


def _read(file: IO[str], head: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], int]:
    """Return the entries of a journal with this head by path, and where the last whole line ends: 0 for another head.

    A run that was killed may have cut the last line.
    """
    file.seek(0)
    known: dict[str, dict[str, Any]] = {}
    whole = 0
    with suppress(ValueError, KeyError, TypeError):
        if json.loads(_whole_line(file)) != head:
            return {}, 0
        whole = file.tell()
        while True:
            entry = json.loads(_whole_line(file))
            known[entry["event"]["source_id"]] = entry
            whole = file.tell()
    return known, whole


def _whole_line(file: IO[str]) -> str:
    """Return the next line. Raises ValueError where none is left, or where it has no end."""
    line = file.readline()
    if not line.endswith("\n"):
        raise ValueError("no whole line is left")
    return line


def _stamp(photograph: Path) -> list[int]:
    """Return what tells whether a file has changed: its size and the time of its last change."""
    try:
        status = photograph.stat()
    except OSError:  # it went while it was read: nothing equals this
        return []
    return [status.st_size, status.st_mtime_ns]
