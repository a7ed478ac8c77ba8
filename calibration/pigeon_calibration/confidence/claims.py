"""Chooses, for each distance, the least probability mass within it that keeps wrong claims below the risk. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.confidence import Claim

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]

WITHIN_KM = (25.0, 200.0, 750.0, 2500.0)
"""City, region, country and continent, as in IM2GPS (Hays and Efros 2008)."""

LEVEL = 0.1
"""How often, at most, a draw of photographs may let pass a threshold whose true risk is too high."""

SHARES = np.arange(2, 41) / 40
"""Of the photographs, that claim: the thresholds that are tried, the strictest first."""

STARTS = (0.05, 0.25, 1.0)
"""The shares at which testing begins: few prove little, however sure they are, and many may be less sure."""

FEWEST_WRONG = 5
"""A threshold is tried where so many places claim that so many would be wrong at the stated risk."""


@dataclass(frozen=True)
class Risk:
    """Of the photographs with at least ``least_mass``, which are a share ``claimed``, the share ``risk`` is wrong."""

    claimed: float
    risk: float
    least_mass: float


def claims_of(wrong: Bools, mass: Doubles, place: Ids, risk: float) -> tuple[Claim, ...]:
    """Return the distances that may be claimed; ``wrong`` and ``mass`` are (N, 4), by ``WITHIN_KM``.

    A nearer distance never asks for less mass than a farther one: who may claim it may claim the farther one too. From
    the farthest on, each has the least of its own proven thresholds that is no less than the last one taken. All that
    are proven of a distance hold together, so that any of them may be taken; a distance that has none is not claimed.
    """
    claims: list[Claim] = []
    farther = 0.0
    for number in reversed(range(len(WITHIN_KM))):
        proven = proven_thresholds(wrong[:, number], mass[:, number], place, risk)
        enough = [threshold for threshold in proven if threshold >= farther]
        if enough:
            farther = min(enough)
            claims.append(Claim(WITHIN_KM[number], farther))
    return tuple(reversed(claims))


def proven_thresholds(wrong: Bools, mass: Doubles, place: Ids, risk: float) -> list[float]:
    """Return the masses, ascending, from each of which on at most ``risk`` of photographs (N,) are wrong.

    From each of ``STARTS`` on, ever looser thresholds are tested by the exact binomial tail (Clopper and Pearson 1934)
    until one fails: fixed-sequence testing, under which all that passed hold together with probability 1 - ``LEVEL``
    (Angelopoulos et al., Learn then Test, 2021). Nothing is proven of the thresholds between them, nor of stricter ones
    than where testing began: the surest answers may be wrong most often. Photographs of one place err together and
    count as one.
    """
    tested = [_Tested.of(threshold, wrong, mass >= threshold, place, risk) for threshold in _thresholds(mass)]
    passed: set[float] = set()
    for start in STARTS:
        sequence = (each for each in tested if each.claimed >= start and each.places * risk >= FEWEST_WRONG)
        passed.update(each.least_mass for each in takewhile(lambda each: each.tail <= LEVEL / len(STARTS), sequence))
    return sorted(passed)


class _Tested(NamedTuple):
    """A threshold, the share and places that claim under it, and the chance of so few wrong at the stated risk."""

    least_mass: float
    claimed: float
    places: int
    tail: float

    @classmethod
    def of(cls, least_mass: float, wrong: Bools, claims: Bools, place: Ids, risk: float) -> _Tested:
        places = len(np.unique(place[claims]))
        tail = binomial_tail(math.ceil(wrong[claims].mean() * places - 1e-9), places, risk)
        return cls(least_mass, float(claims.mean()), places, tail)


def risk_curve(wrong: Bools, mass: Doubles) -> tuple[Risk, ...]:
    """Return the risk of photographs (N,) for ever smaller least masses."""
    at_least = [(threshold, mass >= threshold) for threshold in _thresholds(mass)]
    return tuple(Risk(float(m.mean()), float(wrong[m].mean()), threshold) for threshold, m in at_least)


def binomial_tail(wrong: int, count: int, risk: float) -> float:
    """Return the probability that no more than ``wrong`` of ``count`` are wrong, each being so with ``risk``."""
    ways = math.lgamma(count + 1)
    exponents = [
        ways - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * math.log(risk) + (count - k) * math.log1p(-risk)
        for k in range(wrong + 1)
    ]
    return min(math.fsum(map(math.exp, exponents)), 1.0)


def _thresholds(mass: Doubles) -> list[float]:
    """Return the masses, rounded down, that ever larger shares of photographs have at least."""
    falling = np.sort(mass)[::-1]
    ranks = np.ceil(SHARES * len(mass)).astype(int) - 1
    return list(dict.fromkeys((np.floor(falling[ranks] * 1e6) / 1e6).tolist()))
