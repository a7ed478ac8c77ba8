"""Files of events that grow for as long as a stream runs, and are whole after every event."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pigeon_edge.errors import UsageError
from pigeon_edge.events.event import Event
from pigeon_edge.sinks.files import (
    GEOJSON_HEAD,
    GEOJSON_TAIL,
    Format,
    Write,
    csv_header,
    csv_line,
    events_file,
    feature_line,
    is_stream,
    json_line,
)


@contextmanager
def growing_file(path: Path, kind: Format) -> Iterator[Write]:
    """Yield a function that appends events to a file, which outlives whatever ends the run.

    A file that is there goes on where it ends. Standard output, devices and pipes are written to. Raises UsageError
    where it cannot be written, or is no file of this format that could go on.
    """
    if is_stream(path):
        with events_file(path, kind) as write:
            yield write
        return
    if kind not in _WRITERS:
        known = ", ".join(each.value for each in _WRITERS)
        raise UsageError(f"{path}: expected a format that can grow ({known}), found {kind.value}; name another file")
    try:
        with _opened(path) as file:
            yield _WRITERS[kind](file, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); name another file") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
        yield file


def _jsonl(file: BinaryIO, _path: Path) -> Write:
    _end_the_last_line(file)
    return lambda event: _append(file, json_line(event))


def _csv(file: BinaryIO, path: Path) -> Write:
    header = csv_header().encode()
    found = file.readline()
    if found and found != header:
        raise UsageError(f"{path}: expected a CSV file with today's columns, found others; name another file")
    _end_the_last_line(file)
    if not found:
        _append(file, csv_header())
    return lambda event: _append(file, csv_line(event))


def _geojson(file: BinaryIO, path: Path) -> Write:
    """Every event is written over the end of the collection, with the end after it."""
    head, tail = GEOJSON_HEAD.encode(), GEOJSON_TAIL.encode()
    found = file.read()
    if found and not (found.startswith(head) and found.endswith(tail)):
        raise UsageError(f"{path}: expected GeoJSON that this program wrote, found other; name another file")
    if not found:
        _append(file, GEOJSON_HEAD + GEOJSON_TAIL)
    empty = len(found) <= len(head) + len(tail)

    def write(event: Event) -> None:
        nonlocal empty
        file.seek(-len(tail), os.SEEK_END)
        file.write(_bytes(("\n" if empty else ",\n") + feature_line(event) + GEOJSON_TAIL))
        empty = False

    return write


_WRITERS: dict[Format, Callable[[BinaryIO, Path], Write]] = {
    Format.JSONL: _jsonl,
    Format.GEOJSON: _geojson,
    Format.CSV: _csv,
}


def _append(file: BinaryIO, text: str) -> None:
    file.seek(0, os.SEEK_END)
    file.write(_bytes(text))


def _end_the_last_line(file: BinaryIO) -> None:
    """A run that was killed may have left half a line."""
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            _append(file, "\n")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
