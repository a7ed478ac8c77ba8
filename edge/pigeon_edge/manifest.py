"""A manifest of photographs with known coordinates: the CSV or Parquet that training, calibration and evaluation read.

Columns ``path, lat, lng`` are required; ``place_id, month, heading_deg, country_code, country, admin1, author`` are
optional, others are ignored. Paths are relative to the manifest's folder. Rows of one ``place_id`` (its own row where
there is no such column) never fall into different splits, nor do rows of one ``author`` where authors are stated.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.estimate import Place
from pigeon_edge.errors import InputError
from pigeon_edge.files import replacing


class Split(str, Enum):
    """The part of a manifest that a photograph belongs to, a function of its place alone."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class PhotoRow:
    """One photograph of a manifest; ``path`` is complete once read.

    ``split_group`` names the places that share an author, directly or by way of others; it is no column of the file.
    """

    path: Path
    lat: float
    lng: float
    place_id: str
    month: int | None = None
    heading_deg: float | None = None
    country_code: str = ""
    country: str = ""
    admin1: str = ""
    author: str = ""
    split_group: str = field(default="", compare=False)

    @property
    def place(self) -> Place:
        """The names of the country and region that the row states."""
        return Place(self.country_code, self.country, self.admin1)

    @property
    def split(self) -> Split:
        """80 % training, 5 % validation, 15 % test, by a stable hash of the place, or of the group of its author."""
        key = self.split_group or self.place_id
        bucket = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 100
        return Split.TRAIN if bucket < 80 else Split.VALIDATION if bucket < 85 else Split.TEST


def lat_lng_of_rows(rows: Sequence[PhotoRow]) -> npt.NDArray[np.float64]:
    """Return the coordinates (N, 2) of rows."""
    return np.array([(row.lat, row.lng) for row in rows], np.float64).reshape(-1, 2)


def read_manifest(path: Path) -> list[PhotoRow]:
    """Read a manifest, Parquet by its name. Raises InputError, naming the line, where a row cannot be meant."""
    if is_parquet(path):
        return rows_of_records(path, _parquet_records(path))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return rows_of_records(path, csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a manifest (CSV with path, lat, lng), {error}") from error


def is_parquet(path: Path) -> bool:
    """Tell a manifest in Parquet by its name."""
    return path.suffix.lower() in {".parquet", ".pq"}


def _parquet_records(path: Path) -> list[dict[str, str | None]]:
    import pyarrow.parquet  # which the device does not have, and CSV does not need

    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: expected a manifest (Parquet with path, lat, lng), {reason}") from error
    return [{name: _text(value) for name, value in record.items()} for record in table.to_pylist()]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def rows_of_records(path: Path, records: Iterable[Mapping[str, str | None]]) -> list[PhotoRow]:
    """Return the rows of a manifest's records, author-disjoint. Raises InputError, naming the line, of a bad row."""
    return author_disjoint([_row(path, number, record) for number, record in enumerate(records, start=2)])


def author_disjoint(rows: Sequence[PhotoRow]) -> list[PhotoRow]:
    """Return rows with places that share an author in one split group, named by the smallest ``place_id`` in it."""
    parent: dict[str, str] = {}

    def root(place_id: str) -> str:
        while (above := parent.setdefault(place_id, place_id)) != place_id:
            parent[place_id] = place_id = parent[above]
        return place_id

    first_place: dict[str, str] = {}
    for row in rows:
        if row.author:
            low, high = sorted((root(row.place_id), root(first_place.setdefault(row.author, row.place_id))))
            parent[high] = low
    return [replace(row, split_group=root(row.place_id)) if row.place_id in parent else row for row in rows]


def write_manifest(path: Path, rows: Iterable[PhotoRow]) -> None:
    """Write rows with paths relative to the manifest's folder, by rename."""
    columns = [column.name for column in fields(PhotoRow) if column.compare]
    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            values = vars(row) | {"path": row.path.relative_to(path.parent).as_posix()}
            writer.writerow([values[column] for column in columns])


def _row(manifest: Path, line: int, record: Mapping[str, str | None]) -> PhotoRow:
    try:
        name = record["path"]
        if not name:
            raise ValueError("a photograph without a path")
        lat, lng = float(record["lat"] or "nothing"), float(record["lng"] or "nothing")
        month, heading = record.get("month"), record.get("heading_deg")
        row = PhotoRow(
            path=manifest.parent / name,
            lat=lat,
            lng=lng,
            place_id=record.get("place_id") or name,
            month=int(month) if month else None,
            heading_deg=float(heading) if heading else None,
            country_code=record.get("country_code") or "",
            country=record.get("country") or "",
            admin1=record.get("admin1") or "",
            author=record.get("author") or "",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{manifest}:{line}: expected path, lat and lng, found {record!r}; mend the row") from error
    if not (-90 <= lat <= 90 and -180 <= lng <= 180) or (lat, lng) == (0.0, 0.0):
        raise InputError(f"{manifest}:{line}: lat {lat}, lng {lng} is no place that was meant; mend or drop the row")
    return row
