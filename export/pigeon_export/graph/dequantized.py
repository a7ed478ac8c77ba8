"""PURE graph pass: the float graph that a Q/DQ graph stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from pigeon_edge.errors import InputError
from pigeon_export.graph.copy import copied, rebuilt

_SUFFIX = ".dequantized"
"""What `calibrate int8` adds to the name of a weight."""


def without_quantization(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph with weights as int8 rounded them and activations that nothing rounds; ``model`` is unchanged.

    A graph without Q and DQ comes back as it is. Raises InputError where Q and DQ do not come in pairs or on weights.
    """
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    before_q = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    nodes, weights, instead = [], [], {}
    for node in model.graph.node:
        source, result = node.input[0] if node.input else "", node.output[0]
        if node.op_type == "DequantizeLinear" and source in arrays:
            instead[result] = result.removesuffix(_SUFFIX)
            weights.append(numpy_helper.from_array(_values(node, arrays), instead[result]))
        elif node.op_type == "DequantizeLinear" and source in before_q:
            instead[result] = instead.get(before_q[source], before_q[source])
        elif node.op_type != "QuantizeLinear":
            nodes.append(copied(node, [instead.get(name, name) for name in node.input], node.output))
    _check_whole(model, nodes)
    read = {name for node in nodes for name in node.input}
    return rebuilt(model, nodes, [tensor for name, tensor in arrays.items() if name in read] + weights)


def scale_along_axis(node: onnx.NodeProto, scale: npt.NDArray[Any], rank: int) -> npt.NDArray[Any]:
    """Return the scale of a DQ (), (1,) or (K,), so shaped that it multiplies its input of ``rank`` axes."""
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    shape = [1] * rank
    if scale.size > 1:
        shape[axis] = scale.size
    return scale.reshape(shape)


def _values(node: onnx.NodeProto, arrays: dict[str, onnx.TensorProto]) -> npt.NDArray[Any]:
    """Return the weight that a DQ makes of int8, in the type of its scale."""
    stored, scale, *zero_point = (numpy_helper.to_array(arrays[name]) for name in node.input)
    offset = scale_along_axis(node, zero_point[0].astype(np.int32), stored.ndim) if zero_point else np.int32(0)
    return np.asarray((stored - offset) * scale_along_axis(node, scale.astype(np.float32), stored.ndim), scale.dtype)


def _check_whole(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    made = {value.name for value in model.graph.input} | {name for node in nodes for name in node.output}
    for value in model.graph.output:
        if value.name not in made:
            raise InputError(f"expected outputs that are not quantized, found {value.name}; quantize the graph again")
    for node in nodes:
        if node.op_type == "DequantizeLinear":
            raise InputError(f"expected Q and DQ in pairs, found {node.name} alone; quantize the graph again")
