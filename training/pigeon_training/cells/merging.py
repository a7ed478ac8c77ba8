"""Joining regions with too few photographs to their neighbours, never across a country's border."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import EARTH_RADIUS_KM
from pigeon_training.cells.geocell import Region

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FAINT = 1e-6
"""Weight of the middle of a region without photographs: it counts only until there are some."""


@dataclass(eq=False)
class _Part:
    """What has been joined so far: regions, photographs, the sum of their unit vectors (3,), and who borders on it."""

    regions: list[int]
    admin1: set[str]
    size: int
    total: Floats
    neighbours: set[int] = field(default_factory=set)

    @property
    def middle(self) -> Floats:
        return self.total / np.linalg.norm(self.total)


def merge(
    regions: Sequence[Region],
    sizes: Ints,
    totals: Floats,
    neighbours: Sequence[set[int]],
    min_size: int,
    reach_km: float,
) -> Ints:
    """Return (R,) numbers of the parts that regions are joined into, counted in the order of their first region.

    ``sizes`` (R,) are photographs, ``totals`` (R, 3) the sums of their unit vectors, or any vector to the middle of a
    region without. The smallest part joins first: a bordering one of its first-level region, then any of it, then a
    bordering one of its country, then any of it; among these the nearest, and without a border none beyond
    ``reach_km``. Regions without photographs join at any distance, those of a country without any join the nearest part
    abroad, for every place must lie in some cell.
    """
    weights = np.where(sizes[:, None] > 0, totals, totals * FAINT / np.linalg.norm(totals, axis=1, keepdims=True))
    nations: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, region in enumerate(regions):
        nations[region.nation].append(number)
    parts: list[_Part] = []
    for nation in sorted(nations):
        own = nations[nation]
        start = {n: _Part([n], {regions[n].admin1}, int(sizes[n]), weights[n], neighbours[n] & set(own)) for n in own}
        parts += _merged(start, [regions[n] for n in own], min_size, reach_km)
    return _numbered(_without_empty(parts, neighbours), len(regions))


def _merged(parts: dict[int, _Part], order: list[Region], min_size: int, reach_km: float) -> list[_Part]:
    """Join the smallest part until none is too small or none can; ``parts`` is keyed by a region of each."""
    rank = {number: (region, number) for number, region in zip(parts, order, strict=True)}
    heap = [(part.size, rank[number]) for number, part in parts.items() if part.size < min_size]
    heapq.heapify(heap)
    while heap and len(parts) > 1:
        size, (_, number) = heapq.heappop(heap)
        part = parts.get(number)
        if part is None or part.size != size:
            continue
        partner = _partner(number, parts, reach_km)
        if partner is None:
            continue
        _join(parts, number, partner)
        if parts[partner].size < min_size:
            heapq.heappush(heap, (parts[partner].size, rank[partner]))
    return list(parts.values())


def _partner(number: int, parts: dict[int, _Part], reach_km: float) -> int | None:
    part = parts[number]
    others = [other for other in parts if other != number]
    related = {other for other in others if part.admin1 & parts[other].admin1 - {""}}
    groups = ((part.neighbours & related, True), (related, False), (part.neighbours, True), (set(others), False))
    for group, bordering in groups:
        if group:
            best, distance_km = _nearest(part, sorted(group), parts)
            if bordering or not part.size or distance_km <= reach_km:
                return best
    return None


def _nearest(part: _Part, group: Sequence[int], parts: dict[int, _Part]) -> tuple[int, float]:
    chords = np.linalg.norm(np.array([parts[other].middle for other in group]) - part.middle, axis=1)
    best = int(chords.round(12).argmin())
    return group[best], float(2 * EARTH_RADIUS_KM * np.arcsin(min(chords[best] / 2, 1.0)))


def _join(parts: dict[int, _Part], number: int, partner: int) -> None:
    gone, kept = parts.pop(number), parts[partner]
    kept.regions += gone.regions
    kept.admin1 |= gone.admin1
    kept.size += gone.size
    kept.total = kept.total + gone.total
    for other in gone.neighbours:
        parts[other].neighbours.discard(number)
        parts[other].neighbours.add(partner)
    kept.neighbours = (kept.neighbours | gone.neighbours) - {number, partner}


def _without_empty(parts: list[_Part], neighbours: Sequence[set[int]]) -> list[_Part]:
    """Give the parts that have no photograph to a bordering part that has, or else to the nearest."""
    full = [part for part in parts if part.size]
    whose = {region: number for number, part in enumerate(full) for region in part.regions}
    everyone = dict(enumerate(full))
    for part in parts:
        if not part.size:
            bordering = {whose[o] for region in part.regions for o in neighbours[region] if o in whose}
            best, _ = _nearest(part, sorted(bordering or everyone), everyone)
            full[best].regions.extend(part.regions)
    return full


def _numbered(parts: Sequence[_Part], count: int) -> Ints:
    answer = np.empty(count, np.int64)
    for number, part in enumerate(sorted(parts, key=lambda part: min(part.regions))):
        answer[part.regions] = number
    return answer
