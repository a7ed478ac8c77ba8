"""PURE: the temperature under which the true geocells are most likely, and how calibrated probabilities are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.cells import posterior

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

BINS = 15
"""Of equal width, as in Guo et al. (2017)."""

_TEMPERATURES = np.geomspace(0.25, 4.0, 65)


def best_temperature(batches: Iterable[tuple[npt.NDArray[np.float32], Ids]]) -> float:
    """Return the temperature under which cells (N,) are most likely given logits (N, C) (Guo et al. 2017)."""
    losses = np.zeros(len(_TEMPERATURES))
    for logits, cell in batches:
        rows = np.arange(len(cell))
        losses += [-np.log(np.maximum(posterior(logits, t)[rows, cell], 1e-12)).sum() for t in _TEMPERATURES]
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


@dataclass(frozen=True)
class Bin:
    """Photographs whose best geocell has about one probability: its mean, and the share of them that are right."""

    probability: float
    right: float
    photographs: int


def reliability(probability: Doubles, right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Return the bins that are not empty, of probabilities (N,) of the best geocell and whether it is the true one."""
    number = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    members = [number == each for each in np.unique(number)]
    return tuple(Bin(float(probability[m].mean()), float(right[m].mean()), int(m.sum())) for m in members)


def calibration_error(bins: Iterable[Bin]) -> float:
    """Return the expected calibration error (0..1): the mean gap of the bins, by their photographs."""
    gaps = [(abs(each.probability - each.right), each.photographs) for each in bins]
    return sum(gap * count for gap, count in gaps) / sum(count for _, count in gaps)
