"""PURE graph pass: loud channels move from what a linear reads into its weight. The function stays what it was.

A linear's input is divided by one factor per channel where it is made, and the rows of the weight that reads it are
multiplied by the same factors (SmoothQuant, Xiao et al. 2023):

    norm1 > qkv, norm2 > fc1      the division goes into the gain and bias of LayerNormalization
    V > attention_output          into the columns of QKV that make V: attention averages over tokens, not channels
    activation > fc2              into FC1, where QuickGELU keeps its form with a slope per neuron, for
                                  x sigmoid(1.702 x) / s = y sigmoid(1.702 s y) with y = x / s; a Mul follows a Gelu
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from pigeon_calibration.int8.activations import Observation
from pigeon_calibration.int8.linear_error import LinearError, through_int8, weight_through_int8
from pigeon_calibration.int8.quantize import linears
from pigeon_calibration.int8.ranges import scale_of_maximum, with_headroom

Floats: TypeAlias = npt.NDArray[np.float32]

ALPHAS = (0.4, 0.5, 0.6)
"""How much of the loudness moves: 0 levels the weights, 1 the activations.

Level activations would leave no channel room for more than was observed: at 0.9, ranges that 16 photographs set clip so
much of what other photographs show that a tower without loud channels is worse off than before.
"""

QUIETEST = 0.25
"""A channel that is quieter than this share of the median counts as that loud: unseen photographs may wake it."""

WORTHWHILE = 0.95
"""Smoothing is applied where it lowers the squared error at least to this share."""

_DIVISION = "{}.division"

_SMOOTHED = re.compile(r"(layers\.\d+)\.(norm1|norm2|context_flat|activation)")


def smoothing_factors(model: onnx.ModelProto, seen: Mapping[str, Observation]) -> dict[str, Floats]:
    """Return the factors (K,) by which tensors are to be divided; those that gain nothing are left out.

    The share alpha of each is the one whose int8 output is nearest to the true one on the observed rows.
    """
    weights = _Weights(model)
    found = {tensor: _best_factors(seen[tensor], weights.read(names)) for tensor, names in _readers(model).items()}
    return {tensor: factors for tensor, factors in found.items() if factors is not None}


def smooth(model: onnx.ModelProto, factors: Mapping[str, Floats]) -> onnx.ModelProto:
    """Return the graph with tensors divided by factors (K,) and the weights that read them multiplied.

    ``model`` is unchanged; names, inputs, outputs and metadata stay as they are.
    """
    weights, readers = _Weights(model), _readers(model)
    for tensor, values in factors.items():
        _divide(weights, tensor, values)
        for name in readers[tensor]:
            weights.values[name] = weights.values[name] * values[:, None]
    return _rebuilt(model, weights.values, {name for name in factors if _is_gelu(weights, name)})


def _best_factors(seen: Observation, weights: list[Floats]) -> Floats | None:
    errors = [LinearError(seen.rows, weight) for weight in weights]

    def error_of(factors: Floats) -> float:
        largest = float((seen.channel_maxima / factors).max())
        scale = scale_of_maximum(with_headroom(largest, seen.photographs))
        rows = through_int8(seen.rows / factors, scale)
        pairs = zip(errors, weights, strict=True)
        return float(np.mean([error.of(rows @ weight_through_int8(w * factors[:, None])) for error, w in pairs]))

    plain = error_of(np.ones_like(seen.channel_maxima))
    candidates = [_factors(seen.channel_maxima, weights, alpha) for alpha in ALPHAS]
    found = [error_of(factors) for factors in candidates]
    best = int(np.argmin(found))
    return candidates[best] if found[best] <= WORTHWHILE * plain else None


def _factors(channel_maxima: Floats, weights: list[Floats], alpha: float) -> Floats:
    """Return maxima ** alpha / weights ** (1 - alpha) per channel (Xiao et al. 2023, eq. 4), around 1."""
    loudness = np.maximum(channel_maxima, QUIETEST * np.median(channel_maxima)).astype(np.float64)
    rows = np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0).astype(np.float64)
    logs = alpha * _log(loudness) - (1 - alpha) * _log(rows)
    return np.exp(logs - np.median(logs)).astype(np.float32)


def _log(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(values, max(values.max() * 1e-6, 1e-30))))


def _readers(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Return the names of the weights that read each tensor that can be divided, where nothing else reads it."""
    chosen = {node.name for node in linears(model)}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return {
        name: [node.input[1] for node in found]
        for name, found in readers.items()
        if _SMOOTHED.fullmatch(name) and all(node.name in chosen for node in found)
    }


def _divide(weights: _Weights, tensor: str, factors: Floats) -> None:
    """Divide a tensor by factors (K,) where it is made."""
    layer, kind = tensor.rsplit(".", 1)
    if kind.startswith("norm"):
        weights.divide((f"{tensor}.weight", f"{tensor}.bias"), slice(None), factors)
    elif kind == "context_flat":
        of_value = slice(2 * len(factors), None)  # QKV's columns are Q, K and V
        weights.divide((f"{layer}.qkv.weight", f"{layer}.qkv.bias"), of_value, factors)
    elif _is_gelu(weights, tensor):
        weights.values[_DIVISION.format(tensor)] = 1 / factors
    else:
        weights.divide((f"{layer}.fc1.weight", f"{layer}.fc1.bias"), slice(None), factors)
        weights.values[f"{tensor}.slope"] = weights.values[f"{tensor}.slope"] * factors


def _is_gelu(weights: _Weights, tensor: str) -> bool:
    """Tell whether a tensor is made by an activation that has no slope, so that a Mul has to follow it."""
    return tensor.endswith(".activation") and f"{tensor}.slope" not in weights.values


class _Weights:
    """The weights of a graph by name, to be replaced."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}

    def read(self, names: list[str]) -> list[Floats]:
        return [self.values[name] for name in names]

    def divide(self, names: tuple[str, ...], columns: slice, factors: Floats) -> None:
        for name in names:
            values = self.values[name].copy()
            values[..., columns] /= factors
            self.values[name] = values


def _rebuilt(
    model: onnx.ModelProto, values: Mapping[str, npt.NDArray[Any]], divided: Collection[str]
) -> onnx.ModelProto:
    """Return the graph with other weights, and a Mul behind each of the nodes ``divided``."""
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes += _divided(node) if node.name in divided else [node]
    graph = model.graph
    weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in values.items()]
    proto = helper.make_graph(nodes, graph.name, list(graph.input), list(graph.output), weights)
    result = helper.make_model(proto, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    result.producer_name = model.producer_name
    result.metadata_props.extend(model.metadata_props)
    return result


def _divided(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return a node and the Mul that takes over the name of its output."""
    loud = f"{node.name}.loud"
    before = helper.make_node(node.op_type, list(node.input), [loud], loud)
    before.attribute.extend(node.attribute)
    return [before, helper.make_node("Mul", [loud, _DIVISION.format(node.name)], list(node.output), node.name)]
