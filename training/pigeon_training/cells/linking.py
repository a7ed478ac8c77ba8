"""Files of boundaries, coarse to fine, joined into one territory: which polygon is a part of which, and its names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely

from pigeon_edge.errors import InputError
from pigeon_training.cells.admin import BoundaryLevel, covering
from pigeon_training.cells.geocell import Region
from pigeon_training.cells.territory import Territory

Ints = npt.NDArray[np.int64]


def territory_of(levels: Sequence[BoundaryLevel]) -> Territory:
    """Join files of boundaries, coarse to fine, into one territory.

    A region is part of the polygon of its country's code or name (and first-level name) in the next coarser file that
    has it; where it states no names, of the one that covers a point of it. It takes that country's names. A polygon
    without parts is a region itself. Raises InputError without a file.
    """
    if not levels:
        raise InputError("expected a file of boundaries, found none; give countries first, then their regions")
    depth = np.concatenate([np.full(len(level.geometry), d) for d, level in enumerate(levels)])
    first = np.searchsorted(depth, np.arange(len(levels)))  # number of each file's first polygon, coarse to fine
    parent = np.full(len(depth), -1, np.int64)
    for d in range(1, len(levels)):
        own = depth == d
        for coarser in reversed(range(d)):
            found = _parents(levels[d], levels[coarser])
            parent[own] = np.where((parent[own] < 0) & (found >= 0), first[coarser] + found, parent[own])
    names = _names(levels, parent)
    return _arranged(np.concatenate([level.geometry for level in levels]), depth, parent, names)


def _arranged(geometry: npt.NDArray[np.object_], depth: Ints, parent: Ints, names: list[Region]) -> Territory:
    """Put the finest polygons first, small before large, and number the regions by their names, then by their place."""
    order = np.lexsort((shapely.area(geometry), -depth))
    place = np.argsort(order)
    leaves = np.setdiff1d(np.arange(len(depth)), parent)
    south_west = shapely.bounds(geometry)[:, 1::-1].tolist()
    leaves = np.array(sorted(leaves.tolist(), key=lambda n: (names[n], -depth[n], south_west[n], n)), np.int64)
    region = np.full(len(depth), -1, np.int64)
    region[place[leaves]] = np.arange(len(leaves))
    moved = np.where(parent[order] >= 0, place[parent[order]], -1)
    return Territory(
        tuple(names[n] for n in leaves), geometry[order], int(depth.max()) - depth[order], moved, region
    )  # fmt: skip


def _parents(fine: BoundaryLevel, coarse: BoundaryLevel) -> Ints:
    """Return (F,) the coarse polygon that each fine one is a part of, by names, or by place where it has none."""
    inside = any(coarse.admin1)
    known: dict[tuple[str, str], int] = {}
    for number in reversed(range(len(coarse.geometry))):
        for identity in _identities(coarse, number):
            known[identity, coarse.admin1[number]] = number
    answer = np.full(len(fine.geometry), -1, np.int64)
    nameless = []
    for number in range(len(fine.geometry)):
        identities = _identities(fine, number)
        if not identities or (inside and not fine.admin1[number]):
            nameless.append(number)
        found = (known.get((identity, fine.admin1[number] if inside else "")) for identity in identities)
        answer[number] = next((number for number in found if number is not None), -1)
    if nameless:
        point = shapely.point_on_surface(fine.geometry[nameless])
        answer[nameless] = covering(coarse.geometry, np.stack([shapely.get_y(point), shapely.get_x(point)], axis=1))
    return answer


def _identities(level: BoundaryLevel, number: int) -> list[str]:
    return [name for name in (level.code[number], level.code3[number], level.country[number]) if name]


def _names(levels: Sequence[BoundaryLevel], parent: Ints) -> list[Region]:
    """Return the names of all polygons: a country's own for all its parts, whatever they call it."""
    code = [name for level in levels for name in level.code]
    code3 = [name for level in levels for name in level.code3]
    country = [name for level in levels for name in level.country]
    admin1 = [name for level in levels for name in level.admin1]
    admin2 = [name for level in levels for name in level.admin2]
    root = np.arange(len(parent))
    while (up := parent[root]).max() >= 0:
        root = np.where(up >= 0, up, root)
    codes: dict[int, Counter[str]] = {}
    for number, top in enumerate(root.tolist()):
        codes.setdefault(top, Counter()).update([code[number]] if code[number] else [])
    return [
        Region(
            code[top] or next(iter(sorted(codes[top], key=lambda name: (-codes[top][name], name))), code3[top]),
            country[top] or code3[top],
            admin1[number] or (admin1[parent[number]] if parent[number] >= 0 else ""),
            admin2[number],
        )
        for number, top in enumerate(root.tolist())
    ]  # fmt: skip
