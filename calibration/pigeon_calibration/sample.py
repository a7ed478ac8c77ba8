"""PURE: which photographs to calibrate on, and which to judge the result by. The two share no place."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pigeon_edge.errors import InputError
from pigeon_edge.photo_manifest import PhotoRow, Split


@dataclass(frozen=True)
class Candidate:
    """A photograph that may be chosen; those of one ``place_id`` are never on both sides."""

    path: Path
    place_id: str


@dataclass(frozen=True)
class Sample:
    """The photographs that set the ranges, and the disjoint ones that pass the verdict."""

    calibration: tuple[Path, ...]
    gate: tuple[Path, ...]


def candidates_of_folder(folder: Path, files: Iterable[Path]) -> list[Candidate]:
    """Return the files of a folder, each a place of its own, named by its path within the folder."""
    return [Candidate(path, path.relative_to(folder).as_posix()) for path in files]


def candidates_of_rows(rows: Iterable[PhotoRow]) -> list[Candidate]:
    """Return the rows of a manifest but those of the test split, which no stage of the build may see."""
    return [Candidate(row.path, row.place_id) for row in rows if row.split is not Split.TEST]


def choose(candidates: Sequence[Candidate], limit: int, seed: int = 0) -> Sample:
    """Return up to ``limit`` photographs for calibration and up to as many, of other places, for the gate.

    The choice is a function of the seed and the names of the places alone. Raises InputError for fewer than two places.
    """
    places: dict[str, list[Path]] = defaultdict(list)
    for candidate in candidates:
        places[candidate.place_id].append(candidate.path)
    if len(places) < 2:
        raise InputError(
            f"expected photographs of at least 2 places, one to calibrate on and one to judge by, found {len(places)}; "
            "add photographs"
        )
    order = sorted(places, key=lambda place: hashlib.sha256(f"{seed}:{place}".encode()).digest())
    return Sample(_take(places, order[0::2], limit), _take(places, order[1::2], limit))


def _take(places: dict[str, list[Path]], order: Sequence[str], limit: int) -> tuple[Path, ...]:
    """Return up to ``limit`` paths: the first of every place, then the second of every place, and so on."""
    ranked = [
        (rank, number, path) for number, place in enumerate(order) for rank, path in enumerate(sorted(places[place]))
    ]
    return tuple(path for _, _, path in sorted(ranked)[:limit])
