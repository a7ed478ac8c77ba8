"""Semantic geocells (Haas et al. 2024): regions with few photographs joined, what holds many divided by density."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import lat_lng_of, unit_vectors, wrap_lng
from pigeon_edge.manifest import PhotoRow, lat_lng_of_rows
from pigeon_training.cells.geocell import Geocell, Region, names_by_count
from pigeon_training.cells.merging import merge
from pigeon_training.cells.partition import Partition, region_of_row
from pigeon_training.cells.splitting import Growth, grow
from pigeon_training.cells.territory import Territory
from pigeon_training.cells.tree import Split
from pigeon_training.presets import CellPreset

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Watch = Callable[[Sequence[int]], Iterable[int]]
"""Passes numbers through, for a bar of progress."""


@dataclass(frozen=True)
class Made:
    """A partition, how each of its cells (C,) came about, and why a cell is too small or too large."""

    partition: Partition
    kinds: tuple[str, ...]
    why: dict[int, str]


@dataclass(frozen=True)
class _Draft:
    """A cell before it has its number."""

    cell: Geocell
    kind: str
    why: str


@dataclass(frozen=True)
class _Ground:
    """The regions (R,), what their cells' ids are made of (R,), and what finds them."""

    regions: tuple[Region, ...]
    signatures: tuple[str, ...]
    land: Territory | None


@dataclass(frozen=True)
class _Points:
    """Photographs in an order of their own: unit vectors (N, 3) and regions (N,)."""

    vectors: Floats
    region: Ints


def cells_of_names(rows: Sequence[PhotoRow], preset: CellPreset, watch: Watch = tuple) -> Made:
    """Make geocells of the regions that rows name. Raises InputError, naming the row, where one has no country."""
    for row in rows:
        if not row.country:
            raise InputError(
                f"{row.path}: the manifest names no country; semantic geocells need country and admin1, or --boundaries"
            )
    stated = [region_of_row(row) for row in rows]
    regions = tuple(sorted(set(stated)))
    number = {region: n for n, region in enumerate(regions)}
    points = _ordered(lat_lng_of_rows(rows), np.array([number[region] for region in stated], np.int64))
    alone: tuple[set[int], ...] = tuple(set() for _ in regions)
    part = merge(regions, *_totals(points, len(regions)), alone, preset.min_size, np.inf)
    ground = _Ground(regions, tuple("|".join(astuple(region)) for region in regions), None)
    return _made(ground, points, part, preset, watch)


def cells_of_land(lat_lng: Floats, territory: Territory, preset: CellPreset, watch: Watch = tuple) -> Made:
    """Make geocells of photographs (N, 2) on a territory. Raises InputError without photographs."""
    if not len(lat_lng):
        raise InputError("expected photographs to make geocells of, found none; give a manifest with training places")
    points = _ordered(lat_lng, territory.region_of(lat_lng))
    sizes, totals = _totals(points, len(territory.regions))
    totals = np.where(sizes[:, None] > 0, totals, territory.middles)
    part = merge(territory.regions, sizes, totals, territory.neighbours, preset.min_size, preset.island_reach_km)
    middles = lat_lng_of(territory.middles)
    names = ("|".join(astuple(region)) for region in territory.regions)
    signatures = tuple(f"{name}|{lat:.2f} {lng:.2f}" for name, (lat, lng) in zip(names, middles, strict=True))
    return _made(_Ground(territory.regions, signatures, territory), points, part, preset, watch)


def _ordered(lat_lng: Floats, region: Ints) -> _Points:
    """Sort photographs by where they are, so that the order of the manifest decides nothing."""
    lat, lng = lat_lng[:, 0], wrap_lng(lat_lng[:, 1])
    order = np.lexsort((region, lng, lat))
    return _Points(unit_vectors(np.stack([lat, lng], axis=1)[order]), region[order])


def _totals(points: _Points, count: int) -> tuple[Ints, Floats]:
    """Return photographs (R,) and the sums of their unit vectors (R, 3) by region."""
    sizes = np.bincount(points.region, minlength=count)
    sums = [np.bincount(points.region, axis, minlength=count) for axis in points.vectors.T]
    return sizes, np.stack(sums, axis=1)


def _made(ground: _Ground, points: _Points, part: Ints, preset: CellPreset, watch: Watch) -> Made:
    """Divide each part, gather what came out, and number the cells by their names."""
    by_part = np.argsort(part[points.region], kind="stable")
    members_of = np.split(by_part, np.cumsum(np.bincount(part[points.region]))[:-1])
    regions_of = np.split(np.argsort(part, kind="stable"), np.cumsum(np.bincount(part))[:-1])
    drafts: list[_Draft] = []
    splits: list[Split] = []
    starts = np.empty(len(members_of), np.int64)
    for number in watch(range(len(members_of))):
        growth = grow(points.vectors[members_of[number]], preset)
        starts[number] = _moved(np.array(growth.root), len(drafts), len(splits))
        moved = [Split(split.seed_vectors, _moved(split.branch, len(drafts), len(splits))) for split in growth.splits]
        drafts += _drafts(ground, points, members_of[number], regions_of[number], growth, preset)
        splits += moved
    order = sorted(range(len(drafts)), key=lambda n: _rank(drafts[n].cell))
    new = np.argsort(order)
    roots = _renumbered(starts, new)[part]
    renumbered = tuple(Split(split.seed_vectors, _renumbered(split.branch, new)) for split in splits)
    chosen = [drafts[n] for n in order]
    partition = Partition(tuple(draft.cell for draft in chosen), ground.regions, roots, renumbered, ground.land)
    why = {number: draft.why for number, draft in enumerate(chosen) if draft.why}
    return Made(partition, tuple(draft.kind for draft in chosen), why)


def _drafts(
    ground: _Ground, points: _Points, members: Ints, regions: Ints, growth: Growth, preset: CellPreset
) -> list[_Draft]:
    """Return the cells that one part has grown into, in the order of its leaves."""
    seeds = _seeds_of_leaves(growth)
    whole = "joined" if len(regions) > 1 else "whole"
    drafts = []
    for leaf, chosen in enumerate(growth.leaves):
        own = members[chosen]
        cell = _geocell(ground, points.vectors[own], points.region[own], _id(ground, regions, seeds[leaf]))
        why = growth.too_large.get(leaf, "")
        if cell.size < preset.min_size:
            why = _why_small(ground, regions)
        drafts.append(_Draft(cell, whole if growth.kinds[leaf] == "whole" else growth.kinds[leaf], why))
    return drafts


def _geocell(ground: _Ground, vectors: Floats, region: Ints, name: str) -> Geocell:
    numbers, counts = np.unique(region, return_counts=True)
    own = [ground.regions[number] for number in numbers]
    most = own[int(counts.argmax())]
    lat, lng = lat_lng_of(vectors.sum(axis=0))
    home = [number for number, region in enumerate(own) if region.nation == most.nation]
    return Geocell(
        name, most.country_code, most.country,
        names_by_count([own[n].admin1 for n in home], counts[home]),
        names_by_count([own[n].admin2 for n in home], counts[home]),
        len(vectors), (float(lat), float(lng)),
    )  # fmt: skip


def _id(ground: _Ground, regions: Ints, seeds: Floats) -> str:
    """Return 16 hexadecimal digits of the regions' names and places and of the seeds, rounded to some ten metres."""
    lines = sorted(ground.signatures[number] for number in regions)
    lines += sorted(f"{lat:.4f} {lng:.4f}" for lat, lng in lat_lng_of(seeds))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _seeds_of_leaves(growth: Growth) -> list[Floats]:
    """Return the seeds (S, 3) that lead to each leaf; none where nothing was divided."""
    seeds: list[Floats] = [np.empty((0, 3)) for _ in growth.leaves]
    for split in growth.splits:
        for branch in np.unique(split.branch[split.branch < 0]):
            seeds[~branch] = split.seed_vectors[split.branch == branch]
    return seeds


def _why_small(ground: _Ground, regions: Ints) -> str:
    nation = ground.regions[int(regions[0])].nation
    if any(region.nation == nation for n, region in enumerate(ground.regions) if n not in set(regions.tolist())):
        return "too far from the rest of its country"
    return "its country has no more photographs"


def _moved(branch: Ints, cells: int, splits: int) -> Ints:
    """Shift branches past the cells and splits that are there already."""
    return np.where(branch >= 0, branch + splits, branch - cells)


def _renumbered(branch: Ints, new: Ints) -> Ints:
    """Give the cells at the ends of branches their new numbers."""
    return np.where(branch >= 0, branch, ~new[np.where(branch >= 0, 0, ~branch)])


def _rank(cell: Geocell) -> tuple[str, str, tuple[str, ...], tuple[str, ...], str]:
    return cell.country_code, cell.country, cell.regions, cell.districts, cell.id
