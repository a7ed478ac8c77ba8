"""PURE: from what was observed of a tensor to the scale of its int8 values."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pigeon_calibration.quantize import INT8_LIMIT
from pigeon_edge.errors import InputError

SMALLEST_SCALE = 2.0**-24
"""The least positive half-precision number: a scale stays positive when the graph is cast to FP16."""


def scales_of_maxima(maxima: Mapping[str, float]) -> dict[str, float]:
    """Return scales that map each tensor's absolute maximum to 127, so that nothing observed is clipped.

    Raises InputError where a maximum is no finite number.
    """
    return {tensor: _scale(tensor, largest) for tensor, largest in maxima.items()}


def _scale(tensor: str, largest: float) -> float:
    if not math.isfinite(largest):
        raise InputError(f"expected finite activations, found {largest} in {tensor}; export the graph again")
    return max(largest / INT8_LIMIT, SMALLEST_SCALE)
