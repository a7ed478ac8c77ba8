"""Several manifests as one: the same split for every place, and no two places taken for one.

Places keep their names, as the split is a function of them; where a row has none, its path as its own manifest writes
it is written out. A name that an earlier manifest has too is the same place where it lies within ``SAME_PLACE_KM``,
else the place is renamed ``SOURCE/NAME``. Authors keep theirs: one of two data sets is one author.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_training.data.manifests.table import Table, lat_lng_of, moved_paths, read_table, texts_of, with_columns

SOURCE = "source"

SAME_PLACE_KM = 2.0
"""Above the diagonal of a hundredth of a degree, 1.6 km: the squares that ``train manifest import`` calls a place."""

LatLng: TypeAlias = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Joined:
    """All rows in order; ``rows`` by source, and how many rows were left out or had their place renamed."""

    table: Table
    rows: Counter[str]
    duplicates: int
    renamed_places: int


def join_manifests(manifests: Sequence[Path], out: Path) -> Joined:
    """Return manifests as one for the file ``out``: all their columns, and ``source``, the manifest's path from there.

    A source that a row states already is kept. Of rows of one path the first is kept. Bad rows go along. Raises
    UsageError for fewer than two manifests, or where ``out`` is one of them; InputError where one cannot be read.
    """
    if len(manifests) < 2:
        raise UsageError(f"expected two manifests or more, found {len(manifests)}")
    if out.resolve() in {path.resolve() for path in manifests}:
        raise UsageError(f"{out}: is one of the manifests that are joined; name another file")
    known: dict[str, LatLng] = {}
    renamed, tables = 0, []
    for manifest in manifests:
        source = _source(manifest, out)
        places, count = _places(read_table(manifest), source, known)
        renamed += count
        tables.append(_moved(places, manifest, source, out))
    table = _concatenated(tables)
    kept = _first_of_each_path(texts_of(table, "path"))
    joined = table.take(pa.array(kept, pa.int64()))
    return Joined(joined, Counter(texts_of(joined, SOURCE)), table.num_rows - len(kept), renamed)


def _source(manifest: Path, out: Path) -> str:
    return Path(os.path.relpath(manifest.resolve(), out.parent.resolve())).as_posix()


def _places(table: Table, source: str, known: dict[str, LatLng]) -> tuple[Table, int]:
    """Return a table with the name of every row's place, and how many were renamed; add them to the ``known``."""
    names = [place or path for place, path in zip(texts_of(table, "place_id"), texts_of(table, "path"), strict=True)]
    first = dict(zip(reversed(names), map(tuple, lat_lng_of(table)[::-1].tolist()), strict=True))
    shared = [name for name in first if name in known]
    here, there = (np.array([of[name] for name in shared], np.float64).reshape(-1, 2) for of in (first, known))
    far = haversine_km(here, there) > SAME_PLACE_KM
    renamed = {name: f"{source}/{name}" for name, apart in zip(shared, far.tolist(), strict=True) if apart}
    known.update({renamed.get(name, name): place for name, place in first.items() if name not in known})
    known.update({new: first[name] for name, new in renamed.items()})
    return with_columns(table, {"place_id": [renamed.get(name, name) for name in names]}), len(renamed)


def _moved(table: Table, manifest: Path, source: str, out: Path) -> Table:
    sources = [stated or source for stated in texts_of(table, SOURCE)]
    return moved_paths(with_columns(table, {SOURCE: sources}), manifest.parent, out.parent)


def _concatenated(tables: Sequence[Table]) -> Table:
    """Return rows of all tables, with the columns of any; ``source`` comes last."""
    names = list(dict.fromkeys(name for table in tables for name in table.column_names if name != SOURCE))
    return pa.concat_tables(
        [
            pa.table({name: pa.array(texts_of(table, name), pa.string()) for name in [*names, SOURCE]})
            for table in tables
        ]
    )


def _first_of_each_path(paths: Sequence[str]) -> list[int]:
    """Return the numbers of the first row of each path, and of all rows without one."""
    first: dict[str, int] = {}
    return [
        number
        for number, path in enumerate(paths)
        if not path or first.setdefault(os.path.normpath(path), number) == number
    ]
