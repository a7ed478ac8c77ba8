"""The heads of a model as a graph has them: geocells, and the tasks beside them in the form that a device reads.

    cells       head.cells       > cell_logits (N, C)
    regression  head.regression  > regressions (N, R): log(x + offset), and the mean temperature as it is
    climate     head.climate     > climate_logits (N, 31)
    month       head.month       > month_logits (N, 12)

The scale of the regressions' training is folded into weight and bias, which is exact. The exponential is left to the
device: half precision holds logarithms better than people per square km. Targets that no training photograph knew are
left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.environment import EnvironmentSettings, Quantity
from pigeon_edge.errors import InputError
from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.tasks import REGRESSIONS, TASK_SIZES, RegressionScale
from pigeon_training.model.exported_tower import HeadArrays

_QUANTITIES = {"population": "population_per_km2"}
"""What the device calls a regression where the manifest's column has another name."""


@dataclass(frozen=True, eq=False)
class GraphHead:
    """A linear layer on the embedding: weight (K, D), bias (K,), the output that it makes, and its node's name."""

    name: str
    output: str
    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


def graph_heads(heads: HeadArrays | None, scale: RegressionScale | None, width: int) -> list[GraphHead]:
    """Return the heads of a graph whose embeddings are of ``width``, in the order of its outputs.

    Raises InputError where one is of another tower or size, or regressions have no scale.
    """
    return list(_heads(heads, scale, width)) if heads is not None else []


def environment_of(heads: HeadArrays | None, scale: RegressionScale | None) -> EnvironmentSettings | None:
    """Return how a device reads the task outputs of a graph with these heads, None where it has none."""
    found = heads or {}
    quantities: tuple[Quantity, ...] = ()
    if scale is not None and "regression.weight" in found:
        quantities = tuple(Quantity(_QUANTITIES.get(name, name), scale.offset(name)) for name in scale.trained)
    climates, months = CLIMATES if "climate.weight" in found else (), "month.weight" in found
    return EnvironmentSettings(quantities, climates, months) if quantities or climates or months else None


def _heads(heads: HeadArrays, scale: RegressionScale | None, width: int) -> Iterator[GraphHead]:
    yield GraphHead("head.cells", "cell_logits", *_arrays(heads, "cells", None, width))
    if "regression.weight" in heads:
        weight, bias = _arrays(heads, "regression", TASK_SIZES["regression"], width)
        yield GraphHead("head.regression", "regressions", *_in_logarithms(weight, bias, scale))
    for name in ("climate", "month"):
        if f"{name}.weight" in heads:
            yield GraphHead(f"head.{name}", f"{name}_logits", *_arrays(heads, name, TASK_SIZES[name], width))


def _arrays(
    heads: HeadArrays, name: str, size: int | None, width: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return weight and bias of a head of ``size`` outputs, of any number where it is None."""
    weight, bias = heads[f"{name}.weight"], heads.get(f"{name}.bias", np.empty(0, np.float32))
    outputs = len(bias) if size is None else size
    if weight.shape != (outputs, width) or bias.shape != (outputs,):
        count = "C" if size is None else size
        raise InputError(
            f"expected {name}.weight ({count}, {width}), {name}.bias ({count},), found {weight.shape} and "
            f"{bias.shape}; fit them on this tower"
        )
    return weight, bias


def _in_logarithms(
    weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], scale: RegressionScale | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return weight (R, D) and bias (R,) of the trained regressions, on the scale of their logarithms."""
    if scale is None:
        raise InputError("expected the scale of the regressions in heads.json, found none; train the heads again")
    rows = [REGRESSIONS.index(name) for name in scale.trained]
    mean, deviation = (np.array(values, np.float64)[rows] for values in (scale.mean, scale.deviation))
    folded = weight[rows] * deviation[:, None], bias[rows] * deviation + mean
    return folded[0].astype(np.float32), folded[1].astype(np.float32)
