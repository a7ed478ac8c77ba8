"""Files of boundaries, coarse to fine, joined into one territory: which polygon is a part of which, and its names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely

from pigeon_edge.errors import InputError
from pigeon_training.cells.covering import covering
from pigeon_training.cells.geocell import Region
from pigeon_training.cells.territory import Territory
from pigeon_training.data.geography import iso3166
from pigeon_training.data.geography.boundaries import Boundaries
from pigeon_training.data.geography.region_names import RegionName

Ints = npt.NDArray[np.int64]


def territory_of(levels: Sequence[Boundaries]) -> Territory:
    """Join files of boundaries, coarse to fine, into one territory.

    A region is part of the polygon of its country's code or name (and first-level name) in the next coarser file that
    has it; where it states no names, of the one that covers a point of it. It takes that country's names. A polygon
    without parts is a region itself. Raises InputError without a file.
    """
    if not levels:
        raise InputError("expected a file of boundaries, found none; give countries first, then their regions")
    depth = np.concatenate([np.full(len(level.shapes), d) for d, level in enumerate(levels)])
    first = np.searchsorted(depth, np.arange(len(levels)))  # number of each file's first polygon, coarse to fine
    parent = np.full(len(depth), -1, np.int64)
    for d in range(1, len(levels)):
        own = depth == d
        for coarser in reversed(range(d)):
            found = _parents(levels[d], levels[coarser])
            parent[own] = np.where((parent[own] < 0) & (found >= 0), first[coarser] + found, parent[own])
    names = _names(levels, parent)
    return _arranged(np.concatenate([level.shapes for level in levels]), depth, parent, names)


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


def _parents(fine: Boundaries, coarse: Boundaries) -> Ints:
    """Return (F,) the coarse polygon that each fine one is a part of, by names, or by place where it has none."""
    inside = any(name.admin1 for name in coarse.names)
    known: dict[tuple[str, str], int] = {}
    for number in reversed(range(len(coarse.shapes))):
        for identity in _identities(coarse.names[number]):
            known[identity, coarse.names[number].admin1] = number
    answer = np.full(len(fine.shapes), -1, np.int64)
    nameless = []
    for number in range(len(fine.shapes)):
        identities = _identities(fine.names[number])
        if not identities or (inside and not fine.names[number].admin1):
            nameless.append(number)
        found = (known.get((identity, fine.names[number].admin1 if inside else "")) for identity in identities)
        answer[number] = next((number for number in found if number is not None), -1)
    if nameless:
        point = shapely.point_on_surface(fine.shapes[nameless])
        answer[nameless] = covering(coarse.shapes, np.stack([shapely.get_y(point), shapely.get_x(point)], axis=1))
    return answer


def _identities(name: RegionName) -> list[str]:
    return [identity for identity in (name.country_code, name.country) if identity]


def _names(levels: Sequence[Boundaries], parent: Ints) -> list[Region]:
    """Return the names of all polygons: a country's own for all its parts, whatever they call it."""
    stated = [name for level in levels for name in level.names]
    root = np.arange(len(parent))
    while (up := parent[root]).max() >= 0:
        root = np.where(up >= 0, up, root)
    codes: dict[int, Counter[str]] = {}
    for number, top in enumerate(root.tolist()):
        code = stated[number].country_code
        codes.setdefault(top, Counter()).update([code] if code else [])
    return [
        Region(
            iso3166.stated(
                stated[top].country_code
                or next(iter(sorted(codes[top], key=lambda code: (-codes[top][code], code))), "")
            ),
            stated[top].country,
            stated[number].admin1 or (stated[parent[number]].admin1 if parent[number] >= 0 else ""),
            stated[number].admin2,
        )
        for number, top in enumerate(root.tolist())
    ]  # fmt: skip
