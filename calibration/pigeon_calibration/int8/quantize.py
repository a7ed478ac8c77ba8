"""PURE graph pass: int8 Q/DQ around exactly the linears of a vision tower, under TensorRT's rules.

Symmetric, zero point 0. Activations: one constant scale a tensor, one Q/DQ pair however many linears read it. Weights:
int8 in the file with one scale per output channel. Patch embedding, heads, attention products, LayerNormalization and
residual adds keep their precision: quantizing the adds took a ViT-B/16 from 85 % to 5 % top-1 (onnxsim, PR 1742).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from pigeon_edge.errors import InputError

INT8_LIMIT = 127
"""Largest magnitude used; -128 stays unused so that the range is symmetric."""

_Constants: TypeAlias = "dict[str, npt.NDArray[Any] | np.generic[Any]]"

_LINEAR_NAME = re.compile(r"layers\.\d+\.(qkv|attention_output|fc1|fc2)")
_HALF = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
_QUANTIZED_OPS = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearMatMul", "MatMulInteger"}
)


def check_quantizable(model: onnx.ModelProto) -> None:
    """Raise InputError for a graph in half precision, without LayerNormalization, or as ``linears`` does."""
    if any(tensor.data_type in _HALF for tensor in model.graph.initializer):
        raise InputError("expected a float32 graph, found weights in half precision; give the graph of `export onnx`")
    linears(model)
    if not any(node.op_type == "LayerNormalization" for node in model.graph.node):
        raise InputError(
            "expected LayerNormalization, found none: in pieces it overflows in half precision, and loud channels "
            "cannot be smoothed; give the graph of `export onnx`"
        )


def linears(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the MatMuls to quantize, in graph order.

    Raises InputError for a graph that has none, or that is quantized already.
    """
    nodes = model.graph.node
    if any(node.op_type in _QUANTIZED_OPS for node in nodes):
        raise InputError("expected a full-precision graph, found a quantized one; give the graph of `export onnx`")
    weights = {tensor.name for tensor in model.graph.initializer}
    found = [n for n in nodes if n.op_type == "MatMul" and _LINEAR_NAME.fullmatch(n.name) and n.input[1] in weights]
    if not found:
        names = "layers.N.qkv, attention_output, fc1 and fc2"
        raise InputError(f"expected linears named {names}, found none; give the graph of `export onnx`")
    return found


def linear_inputs(model: onnx.ModelProto) -> list[str]:
    """Return the names of the tensors to observe: each activation that a linear reads, once. Raises as ``linears``."""
    return list(dict.fromkeys(node.input[0] for node in linears(model)))


def quantize(model: onnx.ModelProto, scales: Mapping[str, float], handed_back: Collection[str] = ()) -> onnx.ModelProto:
    """Return the int8 graph; ``scales`` has the scale of each tensor of ``linear_inputs``. Raises as ``linears``.

    The linears named in ``handed_back`` stay in full precision. ``model`` is unchanged; names, inputs, outputs and
    metadata stay as they are.
    """
    chosen = {node.name for node in linears(model)} - set(handed_back)
    return _quantized(model, chosen, lambda pairs, activation: pairs.of_activation(activation, scales[activation]))


def quantize_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with int8 weights and activations as they were: what can be done without any photograph.

    The file is a quarter as large; it runs no faster than full precision. Raises as ``linears``.
    """
    return _quantized(model, {node.name for node in linears(model)}, lambda _, activation: activation)


def _quantized(
    model: onnx.ModelProto, chosen: Collection[str], of_activation: Callable[[_Pairs, str], str]
) -> onnx.ModelProto:
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    pairs = _Pairs()
    for node in model.graph.node:
        if node.name in chosen:
            activation, weight = node.input
            inputs = [of_activation(pairs, activation), pairs.of_weight(weights[weight])]
            pairs.nodes.append(helper.make_node(node.op_type, inputs, list(node.output), node.name))
        else:
            pairs.nodes.append(node)
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in pairs.names]
    return _rebuilt(model, pairs.nodes, kept + pairs.constants)


class _Pairs:
    """The nodes of the new graph, and the constants that Q/DQ bring. A tensor is quantized once, then shared."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.names: dict[str, str] = {}

    def of_activation(self, tensor: str, scale: float) -> str:
        """Return the name of the tensor after Q and DQ, per tensor."""
        if tensor in self.names:
            return self.names[tensor]
        constants: _Constants = {"scale": np.float32(scale), "zero_point": np.int8(0)}
        settings = [self._constant(f"{tensor}.{part}", value) for part, value in constants.items()]
        quantized, result = f"{tensor}.quantized", f"{tensor}.dequantized"
        self.nodes.append(helper.make_node("QuantizeLinear", [tensor, *settings], [quantized], quantized))
        self.nodes.append(helper.make_node("DequantizeLinear", [quantized, *settings], [result], result))
        return self.names.setdefault(tensor, result)

    def of_weight(self, tensor: onnx.TensorProto) -> str:
        """Return the name of the weight after DQ, per output channel."""
        if tensor.name in self.names:
            return self.names[tensor.name]
        values, scales = quantize_weight(numpy_helper.to_array(tensor))
        constants: _Constants = {"int8": values, "scale": scales, "zero_point": np.zeros(len(scales), np.int8)}
        inputs = [self._constant(f"{tensor.name}.{part}", value) for part, value in constants.items()]
        result = f"{tensor.name}.dequantized"
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [result], result, axis=1))
        return self.names.setdefault(tensor.name, result)

    def _constant(self, name: str, values: npt.NDArray[Any] | np.generic[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name


def quantize_weight(weight: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return int8 (in, out) and scales (out,) of a weight (in, out); a channel of zeros has the scale 1."""
    largest = np.abs(weight).max(axis=0, initial=0.0)
    scales = np.where(largest > 0, np.maximum(largest / INT8_LIMIT, np.finfo(np.float32).tiny), 1.0).astype(np.float32)
    rounded = np.rint(weight / scales)
    return np.clip(rounded, -INT8_LIMIT, INT8_LIMIT).astype(np.int8), scales


def _rebuilt(model: onnx.ModelProto, nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto]) -> onnx.ModelProto:
    graph = model.graph
    proto = helper.make_graph(nodes, graph.name, list(graph.input), list(graph.output), weights)
    result = helper.make_model(proto, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    result.producer_name = model.producer_name
    result.metadata_props.extend(model.metadata_props)
    return result
