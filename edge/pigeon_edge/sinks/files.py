"""Files of events: JSON lines, GeoJSON, CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, Any

from pigeon_edge.errors import UsageError
from pigeon_edge.events.event import Event
from pigeon_edge.files import replacing

Write = Callable[[Event], None]

STDOUT_NAMES = ("-", "/dev/stdout")

CSV_COLUMNS = (
    "source_id", "status", "lat", "lon", "radius_m", "radius_coverage", "country_code", "country", "admin1",
    "cell_probability", "gps_lat", "gps_lon", "gps_distance_m", "error", "bundle", "elevation_m", "population_per_km2",
    "temperature_c", "temperature_range_c", "precipitation_mm", "precipitation_range_mm", "climate",
    "climate_probability", "month", "month_probability", "season", "season_probability", "radius_50_m", "within_m",
)  # fmt: skip


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
    """Yield a function that writes events.

    ``-`` and ``/dev/stdout`` are standard output; a device or pipe is written to; a file appears by rename once whole,
    where a link points if it is one. Raises UsageError where it cannot be written.
    """
    if str(path) in STDOUT_NAMES:
        with _WRITERS[kind](sys.stdout) as write:
            yield write
        return
    try:
        with _destination(path) as stream, _WRITERS[kind](stream) as write:
            yield write
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); name another file") from error


def json_line(event: Event) -> str:
    """Return an event on one line. Names that are no UTF-8 survive as escapes of their bytes."""
    return printable(json.dumps(event, ensure_ascii=False, allow_nan=False)) + "\n"


def printable(text: str) -> str:
    """Return text in which the bytes of a name that is no UTF-8 are escapes, so that any stream takes it."""
    return text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def _destination(path: Path) -> Iterator[IO[str]]:
    if path.exists() and not path.is_file():
        with _text(path) as stream:
            yield stream
    else:
        with replacing(path.resolve()) as scratch, _text(scratch) as stream:
            yield stream


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
    separator = '{"type": "FeatureCollection", "features": [\n'

    def write(event: Event) -> None:
        nonlocal separator
        stream.write(separator + json_line(_feature(event)).rstrip("\n"))
        separator = ",\n"

    yield write
    stream.write(f"{separator if separator[0] == '{' else chr(10)}]}}\n")


@contextmanager
def _csv(stream: IO[str]) -> Iterator[Write]:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)

    def write(event: Event) -> None:
        row = _flat(event)
        writer.writerow([row.get(column, "") for column in CSV_COLUMNS])

    yield write


_WRITERS = {Format.JSONL: _jsonl, Format.GEOJSON: _geojson, Format.CSV: _csv}


def _feature(event: Event) -> dict[str, Any]:
    location = event.get("location")
    point = {"type": "Point", "coordinates": [location["lon"], location["lat"]]} if location else None
    properties = {key: value for key, value in _flat(event).items() if key not in ("lat", "lon")}
    return {"type": "Feature", "geometry": point, "properties": properties}


def _flat(event: Event) -> dict[str, Any]:
    """Return an event as one level of columns."""
    gps = {f"gps_{key}": value for key, value in event.get("gps", {}).items()}
    location = {key: value for key, value in event.get("location", {}).items() if key != "datum"}
    levels = {"cell_probability": event["levels"]["cell"]} if "levels" in event else {}
    head = {key: event[key] for key in ("source_id", "status", "error") if key in event}
    model = {"bundle": event["model"]["bundle"]}
    return {**head, **location, **event.get("place", {}), **levels, **gps, **model, **_surroundings(event)}


def _surroundings(event: Event) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name, told in event.get("environment", {}).items():
        if isinstance(told, dict):
            columns |= {name: told["value"], f"{name}_probability": told["probability"]}
        else:
            columns[name] = told
    return columns
