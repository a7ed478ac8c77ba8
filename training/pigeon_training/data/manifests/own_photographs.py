"""A folder of one's own photographs into a manifest, by the positions that they carry."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from PIL import ExifTags, Image

from pigeon_edge.errors import PigeonError
from pigeon_edge.geodesy import LatLng
from pigeon_edge.images.opening import DECODE_ERRORS, opened
from pigeon_edge.images.photograph import DEFAULT_MAX_PIXELS
from pigeon_edge.images.position import position_of
from pigeon_edge.images.scan import Scan, scan
from pigeon_training.data.manifests.importing import PLACE_DEGREES
from pigeon_training.data.manifests.table import Table

NO_POSITION, UNCLEAR, UNREADABLE = "no position in it", "a position that cannot be known", "cannot be opened"


@dataclass(frozen=True)
class Found:
    """What one photograph tells: where and in which month it was taken, or in ``reason`` why it is left out."""

    path: Path
    lat_lng: LatLng | None = None
    month: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class OwnPhotographs:
    """Photographs with positions as a table with paths relative to the folder; how many others there are, by reason."""

    table: Table
    left_out: Counter[str]
    scan: Scan


def import_photographs(folder: Path, watch: Callable[[Iterator[Found], int], Iterable[Found]]) -> OwnPhotographs:
    """Read the positions of all photographs below a folder; ``watch`` passes them on, and may count.

    A place is a square of a hundredth of a degree, so that photographs of one spot never fall into different splits.
    Raises InputError where there are no photographs.
    """
    listed = scan([folder])
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = list(watch(pool.map(_examine, listed.photographs), len(listed.photographs)))
    return OwnPhotographs(_table(folder, found), Counter(each.reason for each in found if each.reason), listed)


def _examine(path: Path) -> Found:
    try:
        with opened(path, DEFAULT_MAX_PIXELS) as image:
            position, month = position_of(image), _month(image)
    except PigeonError:
        return Found(path, reason=UNREADABLE)
    if position is None:
        return Found(path, reason=NO_POSITION)
    if position.lat_lng is None:
        return Found(path, reason=UNCLEAR)
    return Found(path, position.lat_lng, month)


def _month(image: Image.Image) -> int | None:
    """Return the month (1..12) in which a photograph was taken, None where its EXIF does not say."""
    with suppress(*DECODE_ERRORS, AttributeError):
        exif = image.getexif()
        taken = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
        month = int(str(taken)[5:7])
        return month if 1 <= month <= 12 else None
    return None


def _table(folder: Path, found: Iterable[Found]) -> Table:
    kept = [(each, each.lat_lng) for each in found if each.lat_lng]
    columns = {
        "path": [each.path.relative_to(folder).as_posix() for each, _ in kept],
        "lat": [f"{lat:.7f}" for _, (lat, _) in kept],
        "lng": [f"{lng:.7f}" for _, (_, lng) in kept],
        "place_id": [f"{lat:.{PLACE_DEGREES}f},{lng:.{PLACE_DEGREES}f}" for _, (lat, lng) in kept],
        "month": [str(each.month or "") for each, _ in kept],
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
