"""The stages ``train manifest views|panoramas``: a manifest of strips in, a folder of their views and a manifest out.

``images/017/123_NAME_4.jpg`` is the fifth view of row 17,123, whose photograph is called NAME; ``manifest.csv`` has a
row a view, ``unreadable.csv`` a row a strip of which there are none, with the reason.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.files import replacing_folder
from pigeon_edge.manifest import PhotoRow, read_manifest
from pigeon_training.data.manifests.strips import headings_deg
from pigeon_training.data.manifests.table import Table, read_table, with_columns, write_table
from pigeon_training.data.photographs import read_rgb

MANIFEST, UNREADABLE = "manifest.csv", "unreadable.csv"
JPEG_QUALITY = 95

Cutter: TypeAlias = Callable[[Image.Image], Sequence[Image.Image]]
"""From a strip to its views, the first looking along the row's heading. Raises InputError for what is no such strip."""

Watch: TypeAlias = Callable[[Iterable[str], int], Iterable[str]]


@dataclass(frozen=True)
class Cut:
    """How many views there are, why the other strips have none, and how many strips with views have no heading."""

    views: int
    reasons: tuple[str, ...]
    without_heading: int


def cut_views(manifest: Path, out: Path, cut: Cutter, views: int, watch: Watch) -> Cut:
    """Write the views of every strip of a manifest into a new folder, by rename.

    Raises UsageError where the folder is there, InputError where the manifest cannot be read or no strip has views.
    """
    if out.exists():
        raise UsageError(f"{out}: is there already; name another folder, or remove it")
    rows, table = read_manifest(manifest), read_table(manifest)
    with replacing_folder(out, MANIFEST) as scratch:
        reasons = list(watch(_written(rows, scratch, cut), len(rows)))  # of each strip, empty where it has views
        kept = [number for number, reason in enumerate(reasons) if not reason]
        if not kept:
            raise InputError(f"{manifest}: not one of {len(rows)} strips has views{_such_as(reasons)}")
        write_table(scratch / MANIFEST, _table(rows, table, kept, views))
        _write_reasons(scratch / UNREADABLE, rows, reasons)
    without_heading = sum(rows[number].heading_deg is None for number in kept)
    return Cut(views * len(kept), tuple(filter(None, reasons)), without_heading)


def _written(rows: Sequence[PhotoRow], folder: Path, cut: Cutter) -> Iterator[str]:
    """Write the views of each strip; yield the reason where there are none, else an empty text, in order."""
    for number in range(0, len(rows), 1000):
        (folder / _view_path(number, rows[number], 0)).parent.mkdir(parents=True)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield from pool.map(partial(_write_views, folder, cut), range(len(rows)), rows)
    finally:
        pool.shutdown(cancel_futures=True)


def _write_views(folder: Path, cut: Cutter, number: int, row: PhotoRow) -> str:
    try:
        strip = read_rgb(row.path)
    except InputError as error:
        return str(error)
    try:
        parts = cut(strip)
    except InputError as error:
        return f"{row.path}: {error}"
    for view, image in enumerate(parts):
        image.save(folder / _view_path(number, row, view), quality=JPEG_QUALITY, subsampling=0)
    return ""


def _view_path(number: int, row: PhotoRow, view: int) -> Path:
    """Return where a view lies: the strip's number in two short parts, as a long one looks like a photo id."""
    thousand, rest = divmod(number, 1000)
    return Path("images", f"{thousand:03}", f"{rest:03}_{row.path.stem}_{view}.jpg")


def _table(rows: Sequence[PhotoRow], table: Table, kept: Sequence[int], views: int) -> Table:
    """Return the manifest of views: every column of the strip's row, but a path, place and heading of its own."""
    of_views = [(number, rows[number], view) for number in kept for view in range(views)]
    columns = {
        "path": [_view_path(*of_view).as_posix() for of_view in of_views],
        "place_id": [row.place_id for _, row, _ in of_views],
        "heading_deg": [text for number in kept for text in _headings(rows[number], views)],
    }
    return with_columns(table.take(np.repeat(np.array(kept, np.int64), views)), columns)


def _headings(row: PhotoRow, views: int) -> list[str]:
    if row.heading_deg is None:
        return [""] * views
    return [str(heading) for heading in headings_deg(row.heading_deg, views)]


def _write_reasons(path: Path, rows: Sequence[PhotoRow], reasons: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "reason"))
        writer.writerows((row.path, reason) for row, reason in zip(rows, reasons, strict=True) if reason)


def _such_as(reasons: Sequence[str]) -> str:
    return f", such as {reasons[0]}" if reasons else ""
