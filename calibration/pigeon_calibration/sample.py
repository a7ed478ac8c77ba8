"""PURE: which photographs to calibrate on, and which to judge the result by. The two share no place.

Both are spread over the strata (cells of the sphere, folders) as evenly as these have places.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import cos, floor, radians
from pathlib import Path

from pigeon_edge.errors import InputError
from pigeon_edge.manifest import PhotoRow, Split

SQUARE_DEG = 10.0


@dataclass(frozen=True)
class Candidate:
    """A photograph that may be chosen; those of one ``place_id`` are never on both sides.

    ``stratum`` is the cell or folder that it stands for; ``lat_lng`` is None where it is not known.
    """

    path: Path
    place_id: str
    stratum: str = ""
    lat_lng: tuple[float, float] | None = None


@dataclass(frozen=True)
class Sample:
    """The photographs that set the ranges, and the disjoint ones that pass the verdict."""

    calibration: tuple[Path, ...]
    gate: tuple[Path, ...]


def candidates_of_folder(folder: Path, files: Iterable[Path]) -> list[Candidate]:
    """Return the files of a folder, each a place of its own, named by its path within the folder."""
    names = ((path, path.relative_to(folder)) for path in files)
    return [Candidate(path, name.as_posix(), name.parent.as_posix()) for path, name in names]


def candidates_of_rows(rows: Iterable[PhotoRow]) -> list[Candidate]:
    """Return the rows of a manifest but those of the test split, which no stage of the build may see."""
    kept = (row for row in rows if row.split is not Split.TEST)
    return [Candidate(row.path, row.place_id, square_of(row.lat, row.lng), (row.lat, row.lng)) for row in kept]


def square_of(lat: float, lng: float) -> str:
    """Return the cell of a coarse grid that a coordinate lies in: about 1,100 km high and, but at the poles, wide."""
    row = floor(lat / SQUARE_DEG)
    columns = max(1, round(360 * cos(radians((row + 0.5) * SQUARE_DEG)) / SQUARE_DEG))
    return f"{row}:{floor((lng + 180) / 360 * columns) % columns}"


def choose(candidates: Sequence[Candidate], limit: int, seed: int = 0) -> Sample:
    """Return up to ``limit`` photographs for calibration and up to as many, of other places, for the gate.

    The choice is a function of the seed and the names of the places alone. Raises InputError for fewer than two places.
    """
    places: dict[str, list[Path]] = defaultdict(list)
    for candidate in candidates:
        places[candidate.place_id].append(candidate.path)
    if len(places) < 2:
        raise InputError(
            f"expected photographs of at least 2 places, one to calibrate on and one to judge by, found {len(places)} "
            "(a manifest's test split is left out); add photographs"
        )
    stratum_of = {candidate.place_id: candidate.stratum for candidate in candidates}
    order = sorted(places, key=lambda place: (_draw(seed, stratum_of[place]), stratum_of[place], _draw(seed, place)))
    return Sample(*(_take(places, stratum_of, side, limit) for side in (order[0::2], order[1::2])))


def _draw(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def _take(
    places: Mapping[str, list[Path]], stratum_of: Mapping[str, str], order: Sequence[str], limit: int
) -> tuple[Path, ...]:
    """Return up to ``limit`` paths: a photograph of the first place of every stratum, then of the second, and so on.

    Only when every place has given one does a place give its second.
    """
    seen: Counter[str] = Counter()
    ranked = []
    for number, place in enumerate(order):
        ranked += [(rank, seen[stratum_of[place]], number, path) for rank, path in enumerate(sorted(places[place]))]
        seen[stratum_of[place]] += 1
    return tuple(path for *_, path in sorted(ranked)[:limit])
