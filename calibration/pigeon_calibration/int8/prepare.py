"""From a full-precision graph to one whose activations int8 can hold, and the range of each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from pigeon_calibration.int8.activations import Observation
from pigeon_calibration.int8.quantize import linears
from pigeon_calibration.int8.ranges import Range, best_range
from pigeon_calibration.int8.smooth import smooth, smoothing_factors

Observe: TypeAlias = "Callable[[onnx.ModelProto], Mapping[str, Observation]]"
"""Runs a graph on the calibration photographs and observes what its linears read."""


@dataclass(frozen=True)
class Prepared:
    """A smoothed graph of the same function, the factors that tensors were divided by, and the ranges to hold."""

    graph: onnx.ModelProto
    factors: Mapping[str, npt.NDArray[np.float32]]
    ranges: Mapping[str, Range]

    @property
    def scales(self) -> dict[str, float]:
        """The scale of each tensor that a linear reads."""
        return {tensor: found.scale for tensor, found in self.ranges.items()}


def prepare(model: onnx.ModelProto, observe: Observe) -> Prepared:
    """Smooth a graph, then choose a range per tensor. Raises InputError as ``linears``."""
    factors = smoothing_factors(model, observe(model))
    smoothed = smooth(model, factors)
    return Prepared(smoothed, factors, _ranges(smoothed, observe(smoothed)))


def _ranges(model: onnx.ModelProto, seen: Mapping[str, Observation]) -> dict[str, Range]:
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    readers: dict[str, list[onnx.TensorProto]] = {}
    for node in linears(model):
        readers.setdefault(node.input[0], []).append(weights[node.input[1]])
    return {
        tensor: best_range(seen[tensor], [numpy_helper.to_array(weight) for weight in read])
        for tensor, read in readers.items()
    }
