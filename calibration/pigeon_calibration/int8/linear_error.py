"""PURE: how far int8 takes the output of a linear from what it should be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pigeon_calibration.int8.quantize import INT8_LIMIT, quantize_weight

Floats = npt.NDArray[np.float32]


class LinearError:
    """What a linear of ``weight`` (K, O) makes of ``rows`` (R, K), and how far others are from it."""

    def __init__(self, rows: Floats, weight: Floats) -> None:
        self._expected = rows @ weight
        energy = np.square(self._expected).sum(axis=1, dtype=np.float64)
        self._energy = np.maximum(energy, max(float(energy.mean()) * 1e-6, np.finfo(np.float64).tiny))

    def of(self, found: Floats) -> float:
        """Return the squared error of outputs (R, O) relative to the true output's square, as a mean over the rows.

        Each row counts alike: a loud token does not hide what happens to the others.
        """
        return float((np.square(found - self._expected).sum(axis=1, dtype=np.float64) / self._energy).mean())


def through_int8(values: Floats, scale: float) -> Floats:
    """Return values (R, K) as they come back from int8 of one scale."""
    steps = np.clip(np.rint(values / np.float32(scale)), -INT8_LIMIT - 1, INT8_LIMIT)
    return np.asarray(steps * np.float32(scale), np.float32)


def weight_through_int8(weight: Floats) -> Floats:
    """Return a weight (K, O) as it comes back from int8 of one scale per output channel."""
    values, scales = quantize_weight(weight)
    return np.asarray(values * scales, np.float32)
