"""Dividing what holds too many photographs: by density where there is some, else through the widest gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pigeon_training.cells.optics import Floats, Ints, clusters
from pigeon_training.cells.tree import Split, nearest
from pigeon_training.presets import CellPreset

REMAINDER_SEEDS = 8
CORRECTIONS = 24
TOLERATED = 0.02
"""Share of photographs that may lie on the wrong side of a cut around one cluster."""

SEED = 330


class Cut(NamedTuple):
    """A way to divide photographs: seeds (S, 3), the part each leads to (S,), its kind, the setting to go on with."""

    seed_vectors: Floats
    part_of_seed: Ints
    kind: str
    setting: int


@dataclass(frozen=True)
class Growth:
    """A finished division: its splits; of each leaf the members, the kind of cut that made it, why it is big.

    The branches of ``splits`` count from 0 within this growth, with ``~leaf`` at their ends; ``root`` begins.
    """

    root: int
    splits: tuple[Split, ...]
    leaves: tuple[Ints, ...]
    kinds: tuple[str, ...]
    too_large: dict[int, str]


def grow(vectors: Floats, preset: CellPreset) -> Growth:
    """Divide unit vectors (N, 3) until no leaf holds more than ``max_size``, or none can be divided.

    No cut leaves a part of fewer than ``min_size``. The same points in the same order grow the same way.
    """
    cuts: list[Cut] = []
    branches: list[list[int]] = []  # of each cut, where its parts lead
    leaves: list[Ints] = []
    too_large: dict[int, str] = {}
    kinds: list[str] = []
    root = [0]
    waiting = [(np.arange(len(vectors)), "whole", 0, root, 0)]
    while waiting:
        members, kind, setting, owner, part = waiting.pop()
        within = vectors[members]
        cut = _cut(within, setting, preset) if len(members) > preset.max_size else None
        if cut is None:
            owner[part] = ~len(leaves)
            if len(members) > preset.max_size:
                too_large[len(leaves)] = _why_whole(within)
            leaves.append(members)
            kinds.append(kind)
        else:
            owner[part] = len(cuts)
            cuts.append(cut)
            parts = cut.part_of_seed[nearest(within, cut.seed_vectors)]
            branches.append([0] * (int(parts.max()) + 1))
            waiting += [(members[parts == p], cut.kind, cut.setting, branches[-1], p) for p in range(len(branches[-1]))]
    splits = tuple(
        Split(cut.seed_vectors, np.array(ends)[cut.part_of_seed]) for cut, ends in zip(cuts, branches, strict=True)
    )
    return Growth(root[0], splits, tuple(leaves), tuple(kinds), too_large)


def _cut(vectors: Floats, setting: int, preset: CellPreset) -> Cut | None:
    """Return the first cut that works: density from ``setting`` on, else a gap."""
    count = len(vectors)
    if count < 2 * preset.min_size:
        return None
    sample = vectors
    if count > preset.sample:  # a fixed draw, so that the cost of one clustering has a bound
        sample = vectors[np.sort(np.random.default_rng(SEED).choice(count, preset.sample, replace=False))]
    share = len(sample) / count
    for number in range(setting, len(preset.schedule)):
        min_samples, xi = preset.schedule[number]
        least = max(2, round(preset.min_size * share))
        found = clusters(sample, max(2, round(min_samples * share)), xi, least)
        kind, again = f"optics {min_samples} {xi:g}", 0 if share < 1 else number  # a finer look may show more
        seeds = _around_clusters(vectors, sample, found, preset.min_size)
        if seeds is not None:
            return Cut(seeds, np.arange(len(seeds)), kind, again)
        for members in sorted(found, key=len, reverse=True):
            ring = _around_one(vectors, sample, members, preset.min_size)
            if ring is not None:
                return Cut(*ring, f"{kind}, one cut out", again)
    halves = _at_gap(vectors, preset.min_size)
    return None if halves is None else Cut(halves, np.arange(2), "gap", 0 if share < 1 else len(preset.schedule))


def _around_clusters(vectors: Floats, sample: Floats, found: list[Ints], min_size: int) -> Floats | None:
    """Return seeds in the middle of clusters, each nearest to at least ``min_size``; None where two are not left."""
    if len(found) < 2:
        return None
    seeds = np.array([_middle(sample[members]) for members in found])
    while len(seeds) > 1:
        counts = np.bincount(nearest(vectors, seeds), minlength=len(seeds))
        small = np.flatnonzero(counts < min_size)
        if not len(small):
            return seeds
        worst = small[np.argsort(counts[small], kind="stable")][: (len(small) + 1) // 2]
        seeds = np.delete(seeds, worst, axis=0)
    return None


def _around_one(vectors: Floats, sample: Floats, members: Ints, min_size: int) -> tuple[Floats, Ints] | None:
    """Return seeds that tell one cluster from what lies around it, and 0 or 1 for each; None where a side is too small.

    Begins with the middle of the cluster and far points of the rest, then adds the point that is most clearly on the
    wrong side until few are.
    """
    rest = np.delete(sample, members, axis=0)
    if not len(rest):
        return None
    side = np.ones(len(sample), np.int64)
    side[members] = 0
    seeds = np.vstack([_middle(sample[members]), _spread(rest, _middle(sample[members]))])
    part = np.minimum(np.arange(len(seeds)), 1)
    for _ in range(CORRECTIONS):
        closeness = sample @ seeds.T
        inside, outside = closeness[:, part == 0].max(axis=1), closeness[:, part == 1].max(axis=1)
        error = np.where(side == 0, outside - inside, inside - outside)
        if (error > 0).mean() < TOLERATED:
            break
        worst = int(error.argmax())
        seeds, part = np.vstack([seeds, sample[worst]]), np.append(part, side[worst])
    within = int((part[nearest(vectors, seeds)] == 0).sum())
    return (seeds, part) if min_size <= within <= len(vectors) - min_size else None


def _spread(vectors: Floats, away_from: Floats) -> Floats:
    """Return up to eight of the vectors (N, 3), each the farthest from those before it."""
    chosen = [away_from]
    closeness = vectors @ away_from
    while len(chosen) <= REMAINDER_SEEDS and closeness.min() < 1 - 1e-12:
        chosen.append(vectors[int(closeness.argmin())])
        closeness = np.maximum(closeness, vectors @ chosen[-1])
    return np.array(chosen[1:]).reshape(-1, 3)


def _at_gap(vectors: Floats, min_size: int) -> Floats | None:
    """Return two seeds (2, 3) whose bisector runs through the widest gap along or across the longest extent.

    Each side keeps ``min_size`` and, as far as there are gaps, a quarter of the vectors.
    """
    middle = _middle(vectors)
    _, _, axes = np.linalg.svd(np.cov(vectors - middle, rowvar=False))
    for share in (0.25, 0.0):
        found = [_gap(vectors, middle, axis, max(min_size, int(share * len(vectors)))) for axis in axes]
        width, normal = max(found, key=lambda gap: gap[0])
        if width > 0:
            foot = _unit(middle - (middle @ normal) * normal)
            apart = max(float(np.abs(vectors @ normal).max()), 1e-6)
            seeds = np.array([_unit(foot - apart * normal), _unit(foot + apart * normal)])
            if np.bincount(nearest(vectors, seeds), minlength=2).min() >= min_size:
                return seeds
    return None


def _gap(vectors: Floats, middle: Floats, axis: Floats, least: int) -> tuple[float, Floats]:
    """Return the widest gap across an axis with ``least`` on either side, and the normal (3,) of a plane through it."""
    across = axis - (axis @ middle) * middle
    if np.linalg.norm(across) < 1e-6:  # the axis points to the ground: all lie close together
        return 0.0, across
    slope = (vectors @ _unit(across)) / (vectors @ middle)
    ranked = np.sort(slope)
    gaps = np.diff(ranked)[least - 1 : len(ranked) - least]
    if not len(gaps) or gaps.max() < 1e-9:
        return 0.0, across
    below = least - 1 + int(gaps.argmax())
    return float(gaps.max()), _unit(_unit(across) - (ranked[below] + ranked[below + 1]) / 2 * middle)


def _why_whole(vectors: Floats) -> str:
    if len(np.unique(vectors.round(9), axis=0)) == 1:
        return "all photographs are at one coordinate"
    return "no cut leaves both parts with the least number of photographs"


def _middle(vectors: Floats) -> Floats:
    return _unit(vectors.sum(axis=0))


def _unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)
