"""The tasks beside the geocell: six regressions, climate and month, and the scale on which regressions are learnt.

Targets, weights and transforms are PIGEON's (Haas et al. 2024; its supplement and code for the constants). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import UsageError
from pigeon_training.geography.climate import CLIMATES

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

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
    other offsets are 1. ``mean`` and ``deviation`` have six values each, of the training photographs.
    """

    elevation_offset_m: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be meant."""
        if not (len(self.mean) == len(self.deviation) == len(REGRESSIONS) and all(d > 0 for d in self.deviation)):
            raise UsageError(f"expected {len(REGRESSIONS)} means and positive deviations, found {self}")

    def standard(self, regression: Doubles) -> Doubles:
        """Return (N, 6) values in units on the scale that is learnt; NaN stays NaN."""
        curved = _logarithms(regression, self.elevation_offset_m)
        return np.asarray((curved - np.array(self.mean)) / np.array(self.deviation))

    def units(self, standard: npt.ArrayLike) -> Doubles:
        """Return (N, 6) values in units of what a head predicts: the inverse of ``standard``."""
        curved = np.asarray(standard, np.float64) * np.array(self.deviation) + np.array(self.mean)
        units = np.exp(curved) - _offsets(self.elevation_offset_m)
        units[..., _LINEAR] = curved[..., _LINEAR]
        return np.asarray(units)


def fit_scale(regression: Doubles, elevation_offset_m: float) -> RegressionScale:
    """Return the scale of training photographs (N, 6); a target that nobody knows, or that never varies, is left as is.

    A value below what its logarithm takes (an elevation under the offset) counts as the lowest it takes.
    """
    curved = _logarithms(regression, elevation_offset_m)
    known = np.isfinite(curved)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, curved, 0.0).sum(axis=0) / count
    deviation = np.sqrt(np.where(known, (curved - mean) ** 2, 0.0).sum(axis=0) / count)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    return RegressionScale(elevation_offset_m, tuple(mean.tolist()), tuple(deviation.tolist()))


def _logarithms(regression: Doubles, elevation_offset_m: float) -> Doubles:
    curved = np.log(np.maximum(regression + _offsets(elevation_offset_m), 1e-3))
    curved[..., _LINEAR] = regression[..., _LINEAR]
    return curved


def _offsets(elevation_offset_m: float) -> Doubles:
    offsets = np.ones(len(REGRESSIONS))
    offsets[REGRESSIONS.index("elevation_m")] = elevation_offset_m
    return offsets
