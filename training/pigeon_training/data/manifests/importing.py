"""A published data set, unpacked or in its shards, into a manifest beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.csv

from pigeon_edge.errors import InputError
from pigeon_edge.images.kinds import SUFFIXES
from pigeon_training.data.manifests.bad_rows import BadRow, Defect, bad_coordinates, first_defects
from pigeon_training.data.manifests.layouts import Layout
from pigeon_training.data.manifests.table import Table, lat_lng_of, texts_of
from pigeon_training.data.shard_formats import FORMATS
from pigeon_training.data.shards import open_shard

PLACE_DEGREES = 2
"""Decimals of a place: about a kilometre, the distance that OpenStreetView-5M keeps its parts apart."""

_FLICKR_USER = re.compile(r"(\d+@N\d+)$")
_MILLISECONDS = re.compile(r"\d{12,14}(?:\.0)?$")
_YEAR_MONTH = re.compile(r"\d{4}-(\d{2})")


@dataclass(frozen=True)
class Imported:
    """The good rows as a table with paths relative to the data set's folder, and the bad ones of ``total``."""

    table: Table
    bad: list[BadRow]
    total: int


def import_dataset(layout: Layout, folder: Path) -> Imported:
    """Read a data set's table and find its photographs.

    Raises InputError where the table or its columns are not there, or where its coordinates are the wrong way round.
    """
    source = _read(layout, folder)
    lat_lng = lat_lng_of(source)
    _check_order(layout, folder, lat_lng)
    files = _Photographs.below(folder, layout)
    paths = [files.find(photo) for photo in texts_of(source, "photo")]
    missing = (BadRow(number, Defect.MISSING) for number, path in enumerate(paths) if not path)
    bad = first_defects(bad_coordinates(lat_lng), missing)
    good = np.setdiff1d(np.arange(len(paths)), [row.number for row in bad])
    return Imported(_manifest(source, paths).take(pa.array(good)), bad, len(paths))


def _read(layout: Layout, folder: Path) -> Table:
    """Return the columns of a data set's table, as text, under this project's names."""
    path = next((folder / name for name in layout.tables if (folder / name).is_file()), None)
    if path is None:
        raise InputError(f"{folder}: expected {' or '.join(layout.tables)} ({layout.title}), found no such file")
    quote = '"' if layout.has_heading else False  # titles in YFCC100M hold lone quotes
    names = [str(number) for number in range(layout.fields)]
    try:
        if layout.has_heading:
            with pa.csv.open_csv(path) as reader:
                names = reader.schema.names
        table = pa.csv.read_csv(
            path,
            pa.csv.ReadOptions(column_names=names, skip_rows=int(layout.has_heading)),
            pa.csv.ParseOptions(delimiter=layout.separator, quote_char=quote),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: expected {layout.title}, {' '.join(str(error).split())}") from error
    wanted = {name: getattr(layout, name) for name in ("photo", "lat", "lng")}
    missing = [column for column in wanted.values() if column not in names]
    if missing:
        raise InputError(f"{path}: expected columns {', '.join(wanted.values())}, found {', '.join(names)}")
    optional = {name: getattr(layout, name) for name in ("author", "taken", "country_code", "admin1")}
    return pa.table({name: table[column] for name, column in (wanted | optional).items() if column in names})


def _check_order(layout: Layout, folder: Path, lat_lng: np.ndarray) -> None:
    """Refuse a table whose headings LAT and LON are exchanged: rows below 90 degrees would be misplaced unseen."""
    beyond = np.abs(lat_lng) > 90
    if len(lat_lng) >= 20 and beyond[:, 0].mean() > 0.1 and not beyond[:, 1].any():
        raise InputError(
            f"{folder}: expected latitudes in {layout.lat}, {beyond[:, 0].mean():.0%} are beyond 90 degrees, and none "
            f"in {layout.lng}: exchanged headings, as in an early table of Im2GPS3k; mend the first line"
        )


def _manifest(source: Table, paths: Sequence[str]) -> Table:
    authors = [_author(text) for text in texts_of(source, "author")]
    lat_lng = lat_lng_of(source)
    return pa.table(
        {
            "path": pa.array(paths, pa.string()),
            "lat": source["lat"],
            "lng": source["lng"],
            "place_id": pa.array(
                [_place(*place) for place in zip(authors, *lat_lng.T.tolist(), strict=True)], pa.string()
            ),
            "month": pa.array([_month(text) for text in texts_of(source, "taken")], pa.string()),
            "country_code": pa.array(texts_of(source, "country_code"), pa.string()),
            "admin1": pa.array(texts_of(source, "admin1"), pa.string()),
            "author": pa.array(authors, pa.string()),
        }
    )


def _place(author: str, lat: float, lng: float) -> str:
    """Return a place's name. Photographers meet at sights: only one author's photographs are one place.

    Else places and authors in common would tie nearly all photographs of the world into one group of one split.
    """
    spot = f"{lat:.{PLACE_DEGREES}f},{lng:.{PLACE_DEGREES}f}"
    return f"{author}/{spot}" if author else spot


def _author(text: str) -> str:
    """Return the Flickr user at a text's end, else the text; a number that was written as a float loses its ``.0``."""
    found = _FLICKR_USER.search(text)
    return found.group(1) if found else text.strip().removesuffix(".0")


def _month(text: str) -> str:
    """Return 1 to 12, or an empty text where none is stated."""
    if _MILLISECONDS.match(text):
        return str(datetime.fromtimestamp(float(text) / 1000, timezone.utc).month)
    found = _YEAR_MONTH.match(text)
    return str(int(found.group(1))) if found and 1 <= int(found.group(1)) <= 12 else ""


@dataclass(frozen=True)
class _Photographs:
    """Where photographs lie, by name without its ending: shards and folders of a hash do not matter.

    A photograph that is unpacked is taken before the same one in a shard.
    """

    folder_of: dict[str, tuple[str, str]]

    @classmethod
    def below(cls, folder: Path, layout: Layout) -> _Photographs:
        root = next((folder / name for name in layout.photographs if (folder / name).is_dir()), folder)
        files = [(place, name) for place, name in _files(root, folder)]
        packed = _members(
            [folder / place / name for place, name in files if Path(name).suffix.lower() in FORMATS], folder
        )
        return cls({Path(name).stem: (place, name) for place, name in [*packed, *files]})

    def find(self, photo: str) -> str:
        """Return a photograph's path relative to the data set, empty where it is not there."""
        name = PurePosixPath(photo)
        flat = PurePosixPath(photo.replace("/", "_"))
        for candidate in (name, flat):
            stem = candidate.stem if candidate.suffix.lower() in {".jpg", ".jpeg", ".png"} else candidate.name
            if stem in self.folder_of:
                return "/".join(filter(None, self.folder_of[stem]))
        return ""


def _files(root: Path, folder: Path) -> Iterator[tuple[str, str]]:
    for place, _, names in os.walk(root):
        relative = Path(place).relative_to(folder).as_posix()
        yield from (("" if relative == "." else relative, name) for name in names)


def _members(shards: Sequence[Path], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the photographs inside tar and zip files, as if those were folders."""
    for shard in shards:
        for member in map(PurePosixPath, open_shard(shard).members()):
            if member.suffix.lower() in SUFFIXES:
                yield (shard.relative_to(folder) / member.parent).as_posix(), member.name
