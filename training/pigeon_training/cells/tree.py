"""Which seed is nearest, level by level: how a region that holds several geocells is divided among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 1 << 16


@dataclass(frozen=True)
class Split:
    """A division of an area among seeds: unit vectors (S, 3), and where each one leads (S,).

    A ``branch`` of zero or more is the number of a further split, a negative one is ``~cell``. Several seeds may lead
    to one branch.
    """

    seed_vectors: Floats
    branch: Ints


def nearest(vectors: Floats, seed_vectors: Floats) -> Ints:
    """Return (N,) the seed nearest to each unit vector (N, 3), the first of those equally near.

    Sums term by term, not by a matrix product: a point's answer must not depend on which points are asked with it.
    """
    answer = np.empty(len(vectors), np.int64)
    block = max(1, BLOCK * 16 // len(seed_vectors))
    for start in range(0, len(vectors), block):
        some = vectors[start : start + block, :, None]  # (B, 3, 1)
        x, y, z = seed_vectors.T
        answer[start : start + block] = (some[:, 0] * x + some[:, 1] * y + some[:, 2] * z).argmax(axis=1)
    return answer


def descend(branch: Ints, vectors: Floats, splits: Sequence[Split]) -> Ints:
    """Return (N,) cells: follow the nearest seed (N, 3) from each starting branch (N,) until it is a cell."""
    branch = branch.copy()
    while len(within := np.flatnonzero(branch >= 0)):
        order = within[np.argsort(branch[within], kind="stable")]
        for members in np.split(order, np.flatnonzero(np.diff(branch[order])) + 1):
            split = splits[branch[members[0]]]
            branch[members] = split.branch[nearest(vectors[members], split.seed_vectors)]
    return ~branch
