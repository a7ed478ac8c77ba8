"""PURE graph pass: a graph in half precision as float32 nodes with every rounding written out.

ONNX Runtime has no kernels for float16 on the CPU. It computes chains of nodes in float32 and rounds nowhere between
them, so that a graph which overflows on a GPU passes there. Here the result of every node goes through float16 and
back, as a GPU does it that accumulates in float32 and stores float16: beyond 65,504 is infinity.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pigeon_export.graph.copy import copied, rebuilt
from pigeon_export.graph.tensor_types import tensor_types


def with_written_rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the float32 graph that computes what a GPU computes of a graph in half precision.

    What DQ makes is not rounded: an engine multiplies int8 by int8. A graph of float32 comes back as it is.
    """
    halves = {name for name, number in tensor_types(model).items() if number == TensorProto.FLOAT16}
    if not halves:
        return model
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        rounded = {
            name: f"{name}.exact" for name in halves.intersection(node.output) if node.op_type != "DequantizeLinear"
        }
        made = copied(node, node.input, [rounded.get(name, name) for name in node.output])
        for attribute in made.attribute:
            if made.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
        nodes.append(made)
        for name, exact in rounded.items():
            half = f"{name}.float16"
            nodes.append(helper.make_node("Cast", [exact], [half], half, to=TensorProto.FLOAT16))
            nodes.append(helper.make_node("Cast", [half], [name], f"{name}.rounded", to=TensorProto.FLOAT))
    return rebuilt(model, nodes, [_widened(tensor) for tensor in model.graph.initializer])


def _widened(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if tensor.data_type != TensorProto.FLOAT16:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)
