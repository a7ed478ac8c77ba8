"""Files of events: JSON lines, GeoJSON, CSV."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, Any

from pigeon_edge.errors import UsageError
from pigeon_edge.events.columns import COLUMNS, flat
from pigeon_edge.events.event import Event
from pigeon_edge.files import replacing

Write = Callable[[Event], None]

STDOUT_NAMES = ("-", "/dev/stdout")


class Format(str, Enum):
    """How events are written to a file."""

    JSONL = "jsonl"
    GEOJSON = "geojson"
    CSV = "csv"


def format_of(path: Path) -> Format:
    """Return the format that a file name asks for. Raises UsageError for a suffix that is none."""
    suffix = path.suffix.lower().lstrip(".")
    try:
        return Format({"json": "geojson", "ndjson": "jsonl"}.get(suffix, suffix))
    except ValueError as error:
        raise UsageError(f"{path}: no known format ends in .{suffix}; say --format jsonl, geojson or csv") from error


@contextmanager
def events_file(path: Path, kind: Format) -> Iterator[Write]:
    """Yield a function that writes events to a file, which appears by rename once whole, where a link points to.

    ``-`` and ``/dev/stdout`` are standard output; a device or pipe is written to. Raises UsageError where it cannot be
    written.
    """
    if is_stream(path):
        with _written_to(path, kind) as write:
            yield write
        return
    with _mapped(path), replacing(path.resolve()) as scratch, _text(scratch) as stream, WRITERS[kind](stream) as write:
        yield write


def is_stream(path: Path) -> bool:
    """Return whether a name stands for standard output, a device or a pipe, which keep nothing."""
    return str(path) in STDOUT_NAMES or (path.exists() and not path.is_file())


def kind_of(path: Path, asked: Format | None) -> Format:
    """Return the format that was asked for, else that of the name; JSON lines on what has no name."""
    return asked or (Format.JSONL if is_stream(path) else format_of(path))


def json_line(event: Event) -> str:
    """Return an event on one line. Names that are no UTF-8 survive as escapes of their bytes."""
    return printable(json.dumps(event, ensure_ascii=False, allow_nan=False)) + "\n"


def printable(text: str) -> str:
    """Return text in which the bytes of a name that is no UTF-8 are escapes, so that any stream takes it."""
    return text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def _written_to(path: Path, kind: Format) -> Iterator[Write]:
    if str(path) in STDOUT_NAMES:
        with WRITERS[kind](sys.stdout) as write:
            yield write
        return
    with _mapped(path), _text(path) as stream, WRITERS[kind](stream) as write:
        yield write


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); name another file") from error


def _text(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", errors="backslashreplace", newline="")


@contextmanager
def _jsonl(stream: IO[str]) -> Iterator[Write]:
    def write(event: Event) -> None:
        stream.write(json_line(event))
        stream.flush()

    yield write


@contextmanager
def _geojson(stream: IO[str]) -> Iterator[Write]:
    """RFC 7946: longitude first; a photograph that was not located is a feature without geometry."""
    stream.write(GEOJSON_HEAD)
    separator = "\n"

    def write(event: Event) -> None:
        nonlocal separator
        stream.write(separator + feature_line(event))
        separator = ",\n"

    yield write
    stream.write(GEOJSON_TAIL)


@contextmanager
def _csv(stream: IO[str]) -> Iterator[Write]:
    stream.write(csv_header())

    def write(event: Event) -> None:
        stream.write(csv_line(event))

    yield write


WRITERS = {Format.JSONL: _jsonl, Format.GEOJSON: _geojson, Format.CSV: _csv}

GEOJSON_HEAD, GEOJSON_TAIL = '{"type": "FeatureCollection", "features": [', "\n]}\n"


def feature_line(event: Event) -> str:
    """Return an event as a feature of GeoJSON, on one line without its end."""
    location = event.get("location")
    point = {"type": "Point", "coordinates": [location["lon"], location["lat"]]} if location else None
    properties = {key: value for key, value in flat(event).items() if key not in ("lat", "lon")}
    return json_line({"type": "Feature", "geometry": point, "properties": properties}).rstrip("\n")


def csv_header() -> str:
    """Return the first line of a CSV file."""
    return _row([column.name for column in COLUMNS])


def csv_line(event: Event) -> str:
    """Return an event as a line of CSV."""
    values = flat(event)
    return _row([values.get(column.name, "") for column in COLUMNS])


def _row(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
