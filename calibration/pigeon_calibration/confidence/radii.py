"""PURE: radii that hold for a promised share of unseen photographs, one for each step of the expected error."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.confidence import FARTHEST_KM

Doubles = npt.NDArray[np.float64]

STEPS = 20
SMALLEST_STEP = 100
"""Photographs in a step, at least: the quantile of 90 % then rests on ten that lie beyond it."""


def steps_of(expected_km: Doubles) -> Doubles:
    """Return the ascending borders (S - 1,) between steps of as many photographs each, given expected errors (N,)."""
    count = min(STEPS, max(len(expected_km) // SMALLEST_STEP, 1))
    shares = np.arange(1, count) / count
    return np.unique(np.quantile(expected_km, shares).round(3))


def radii_of(error_km: Doubles, expected_km: Doubles, borders_km: Doubles, coverage: float) -> Doubles:
    """Return the radius (S,) of each step, within which ``coverage`` of the errors of unseen photographs lie.

    Errors (N,) and expected errors (N,) are those of the photographs that it is fitted on. It is the
    conformal quantile of each step on its own (Mondrian conformal prediction, Vovk et al. 2005, section 4.5), made to
    ascend by the min-max formula of isotonic regression (Robertson, Wright and Dykstra 1988): neighbouring steps that
    contradict the order share a quantile. Where one coverage exceeds another, so does every radius.
    """
    step = np.searchsorted(borders_km, expected_km)
    parts = [error_km[step == number] for number in range(len(borders_km) + 1)]
    joint = [[conformal_quantile(parts[first : last + 1], coverage) for last in range(len(parts))]
             for first in range(len(parts))]  # fmt: skip
    least = [[min(joint[first][number:]) for number in range(len(parts))] for first in range(len(parts))]
    return np.array([max(least[first][number] for first in range(number + 1)) for number in range(len(parts))])


def conformal_quantile(parts: list[Doubles], coverage: float) -> float:
    """Return the split-conformal quantile of the errors of some steps, half a great circle where they are too few.

    Its rank is ceil((N + 1) * coverage), which holds for the next photograph (Vovk et al. 2005).
    """
    errors = np.sort(np.concatenate([np.empty(0), *parts]))
    rank = math.ceil((len(errors) + 1) * coverage)
    return FARTHEST_KM if rank > len(errors) else math.ceil(errors[rank - 1] * 1000) / 1000
