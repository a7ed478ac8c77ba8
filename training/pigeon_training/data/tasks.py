"""The tasks beside the geocell: six regressions, climate and month, and the scale on which regressions are learnt.

Targets, weights and transforms are PIGEON's (Haas et al. 2024; its supplement and code for the constants). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import UsageError
from pigeon_training.data.geography.climate import CLIMATES

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Maybe: TypeAlias = "tuple[float | None, ...]"

REGRESSIONS = (
    "elevation_m", "population", "temperature_c", "temperature_range_c", "precipitation_mm", "precipitation_range_mm",
)  # fmt: skip
"""What is regressed, in this order; columns of a manifest, see ``geography/augment.py`` for their units."""

TASK_SIZES = {"regression": len(REGRESSIONS), "climate": len(CLIMATES), "month": 12}
"""Outputs of each task's head. Classes of climate are in the order of ``CLIMATES``, months from January at 0."""

_LINEAR = REGRESSIONS.index("temperature_c")
"""The one target that may be far below zero: it is learnt as it is, the others as log(x + offset)."""


@dataclass(frozen=True, eq=False)
class TaskTargets:
    """Of N photographs: regression (N, 6) in units, NaN for unknown; climate and month (N,), -1 for unknown."""

    regression: Doubles
    climate: Ids
    month: Ids

    def take(self, rows: Ids) -> TaskTargets:
        """Return the targets of some photographs."""
        return TaskTargets(self.regression[rows], self.climate[rows], self.month[rows])


@dataclass(frozen=True)
class RegressionScale:
    """Between units and what the head learns: log(x + offset) but for the mean temperature, then standardised.

    ``elevation_offset_m`` is 408 for PIGEON and 416 for PIGEOTTO, for land below the sea to have a logarithm; the
    other offsets are 1. ``mean`` and ``deviation`` have six values each, of the training photographs; None for a
    target that none of them knew, of which a head has learnt nothing.
    """

    elevation_offset_m: float
    mean: Maybe
    deviation: Maybe

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be meant."""
        pairs = list(zip(self.mean, self.deviation, strict=False))
        fitting = all(d > 0 if m is not None and d is not None else m is d for m, d in pairs)
        if not (len(self.mean) == len(self.deviation) == len(REGRESSIONS) and fitting):
            raise UsageError(f"expected {len(REGRESSIONS)} means and positive deviations, found {self}")

    @property
    def trained(self) -> tuple[str, ...]:
        """Those of ``REGRESSIONS`` that at least one training photograph knew."""
        return tuple(name for name, mean in zip(REGRESSIONS, self.mean, strict=True) if mean is not None)

    def offset(self, name: str) -> float | None:
        """Return the offset in the logarithm of one of ``REGRESSIONS``, None for the one that is learnt as it is."""
        column = REGRESSIONS.index(name)
        return None if column == _LINEAR else float(_offsets(self.elevation_offset_m)[column])

    def standard(self, regression: Doubles) -> Doubles:
        """Return (N, 6) values in units on the scale that is learnt; NaN stays NaN, and is where there is no scale."""
        curved = _logarithms(regression, self.elevation_offset_m)
        return np.asarray((curved - _doubles(self.mean)) / _doubles(self.deviation))

    def units(self, standard: npt.ArrayLike) -> Doubles:
        """Return (N, 6) values in units of what a head predicts: the inverse of ``standard``."""
        curved = np.asarray(standard, np.float64) * _doubles(self.deviation) + _doubles(self.mean)
        units = np.exp(curved) - _offsets(self.elevation_offset_m)
        units[..., _LINEAR] = curved[..., _LINEAR]
        return np.asarray(units)

    def completed(self, regression: Doubles) -> RegressionScale:
        """Return this scale, with that of photographs (N, 6) for the targets that it has none for."""
        fitted = fit_scale(regression, self.elevation_offset_m)
        mean, deviation = _filled(self.mean, fitted.mean), _filled(self.deviation, fitted.deviation)
        return replace(self, mean=mean, deviation=deviation)


def fit_scale(regression: Doubles, elevation_offset_m: float) -> RegressionScale:
    """Return the scale of training photographs (N, 6); the deviation of a target that never varies counts as 1.

    A value below what its logarithm takes (an elevation under the offset) counts as the lowest it takes.
    """
    curved = _logarithms(regression, elevation_offset_m)
    known = np.isfinite(curved)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, curved, 0.0).sum(axis=0) / count
    deviation = np.sqrt(np.where(known, (curved - mean) ** 2, 0.0).sum(axis=0) / count)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    told = [np.where(known.any(axis=0), values, np.nan) for values in (mean, deviation)]
    return RegressionScale(elevation_offset_m, *map(_or_none, told))


def _filled(mine: Maybe, theirs: Maybe) -> Maybe:
    return tuple(other if one is None else one for one, other in zip(mine, theirs, strict=True))


def _or_none(values: Doubles) -> Maybe:
    return tuple(None if np.isnan(value) else value for value in values.tolist())


def _doubles(values: Maybe) -> Doubles:
    return np.array(values, np.float64)  # None becomes NaN


def _logarithms(regression: Doubles, elevation_offset_m: float) -> Doubles:
    curved = np.log(np.maximum(regression + _offsets(elevation_offset_m), 1e-3))
    curved[..., _LINEAR] = regression[..., _LINEAR]
    return curved


def _offsets(elevation_offset_m: float) -> Doubles:
    offsets = np.ones(len(REGRESSIONS))
    offsets[REGRESSIONS.index("elevation_m")] = elevation_offset_m
    return offsets
