"""Photographs of a training manifest that a benchmark has too: by photo id, by content, by author.

A resized or re-encoded copy has another content; its photo id, where its name has one, still tells.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pigeon_edge.errors import InputError
from pigeon_edge.manifest import PhotoRow
from pigeon_training.data.photographs import read_bytes, size_of

_PHOTO_ID = re.compile(r"(?<![0-9A-Za-z])\d{6,}(?![0-9A-Za-z@])")
"""Flickr's and Mapillary's photo ids among a name's parts: not a user (12345678@N00), a secret, or a running number."""


@dataclass(frozen=True)
class Contamination:
    """Row numbers of the training manifest, ascending: the same photo id, the same bytes, the same author."""

    by_photo_id: tuple[int, ...]
    by_content: tuple[int, ...]
    by_author: tuple[int, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """Every contaminated row once."""
        return tuple(sorted({*self.by_photo_id, *self.by_content, *self.by_author}))

    def report(self) -> list[str]:
        """Return a line a kind."""
        kinds = (("photo id", self.by_photo_id), ("content", self.by_content), ("author", self.by_author))
        return [f"{len(rows):>9,} rows share their {kind} with a benchmark" for kind, rows in kinds]


def photo_id(path: Path) -> str:
    """Return the photo id in a file's name, its first number of six digits or more, else the name without its ending.

    ``1000269685_e60e9cdfb4_1125_78841376@N00.jpg`` (Im2GPS3k) and ``f6/3a/1000269685.jpg`` (MP-16) are one photograph.
    """
    found = _PHOTO_ID.search(path.stem.replace("_", " "))
    return found.group() if found else path.stem.lower()


def contamination(rows: Sequence[PhotoRow], benchmark: Sequence[PhotoRow]) -> Contamination:
    """Compare training rows with a benchmark's. Photographs that cannot be read have no content to compare."""
    ids = {photo_id(row.path) for row in benchmark}
    authors = {row.author for row in benchmark if row.author}
    return Contamination(
        tuple(number for number, row in enumerate(rows) if photo_id(row.path) in ids),
        _same_content([row.path for row in rows], [row.path for row in benchmark]),
        tuple(number for number, row in enumerate(rows) if row.author in authors),
    )


def _same_content(paths: Sequence[Path], others: Iterable[Path]) -> tuple[int, ...]:
    """Return the numbers of paths whose bytes another file has; only files of one size are read."""
    by_size: dict[int, list[Path]] = {}
    for other in others:
        if (size := _size(other)) is not None:
            by_size.setdefault(size, []).append(other)
    known: dict[int, set[bytes | None]] = {}
    found = []
    for number, path in enumerate(paths):
        size = _size(path)
        if size is None or size not in by_size:
            continue
        if size not in known:
            known[size] = {_digest(other) for other in by_size[size]} - {None}
        if _digest(path) in known[size]:
            found.append(number)
    return tuple(found)


def _size(path: Path) -> int | None:
    try:
        return size_of(path)
    except InputError:
        return None


def _digest(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(read_bytes(path)).digest()
    except InputError:
        return None
