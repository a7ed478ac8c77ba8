"""Rows that cannot be trained on, by what is wrong with them: counted and reported, never dropped in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from PIL import Image

from pigeon_edge.geodesy import Floats
from pigeon_training.data.photographs import size_of, source_of


class Defect(str, Enum):
    """What is wrong with a row."""

    NO_NUMBER = "latitude or longitude is no number"
    OUT_OF_RANGE = "latitude or longitude out of range"
    NULL_ISLAND = "at 0,0, where no photograph was meant"
    NO_PATH = "no path"
    MISSING = "no such photograph"
    UNREADABLE = "the photograph, or the shard that it lies in, cannot be opened"


@dataclass(frozen=True)
class BadRow:
    """One bad row: its number (0 is the first row after the heading) and its first defect."""

    number: int
    defect: Defect


def report_of(bad: Sequence[BadRow], total: int) -> list[str]:
    """Return a line a defect, most frequent first, and one of the total."""
    counts = Counter(row.defect for row in bad)
    lines = [f"{count:>9,} rows: {defect.value}" for defect, count in counts.most_common()]
    return [*lines, f"{total - len(bad):>9,} of {total:,} rows are good"]


def bad_coordinates(lat_lng: Floats) -> list[BadRow]:
    """Return the rows of (N, 2) coordinates that name no place, in order."""
    lat, lng = lat_lng[:, 0], lat_lng[:, 1]
    no_number = ~np.isfinite(lat_lng).all(axis=1)
    out_of_range = ~no_number & ((np.abs(lat) > 90) | (np.abs(lng) > 180))
    null_island = (lat == 0) & (lng == 0)
    defects = np.select(
        [no_number, out_of_range, null_island],
        [Defect.NO_NUMBER.value, Defect.OUT_OF_RANGE.value, Defect.NULL_ISLAND.value],
        "",
    )
    return [BadRow(int(number), Defect(defects[number])) for number in np.flatnonzero(defects != "")]


def bad_photographs(paths: Sequence[Path | None], threads: int = 16) -> Iterator[BadRow | None]:
    """Yield, for each of (N,) paths in order, its defect or None. Reads headers only: a torn end shows when decoded."""

    def defect_of(path: Path | None) -> Defect | None:
        if path is None:
            return Defect.NO_PATH
        try:
            if size_of(path) is None:
                return Defect.MISSING
            with Image.open(source_of(path)) as image:
                image.verify()
        except Exception:  # Pillow's readers raise whatever a broken file makes them stumble over
            return Defect.UNREADABLE
        return None

    with ThreadPoolExecutor(threads) as pool:
        for number, defect in enumerate(pool.map(defect_of, paths)):
            yield BadRow(number, defect) if defect else None


def first_defects(*lists: Iterable[BadRow]) -> list[BadRow]:
    """Return one defect a row, the one found first, by row number."""
    found: dict[int, BadRow] = {}
    for bad in (row for rows in lists for row in rows):
        found.setdefault(bad.number, bad)
    return [found[number] for number in sorted(found)]
