"""PURE: the element type of every tensor of a graph, and where a node reads two that should be one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import onnx
from onnx import TensorProto, defs, helper, shape_inference

Types: TypeAlias = Mapping[str, int]

SMALL_BYTES = 1024
"""Constants of this size may be shapes and axes, whose values inference needs; larger ones are weights."""


def tensor_types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the ``TensorProto`` type of each tensor by its name, as the nodes make it, not as outputs are said to be.

    What inference cannot tell is left out.
    """
    graph = shape_inference.infer_shapes(_skeleton(model)).graph
    values = [*graph.input, *graph.value_info, *graph.output]
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    known = {name: number for name, number in types.items() if number != TensorProto.UNDEFINED}
    return {**known, **{tensor.name: tensor.data_type for tensor in model.graph.initializer}}


def mixed_types(model: onnx.ModelProto, types: Types) -> Iterator[tuple[onnx.NodeProto, list[str]]]:
    """Yield each node whose inputs differ in type where its operator wants one, and the names of these types."""
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    for node in model.graph.node:
        for found in _groups(node, types, opsets.get(node.domain, 0)):
            if len(found) > 1:
                yield node, sorted(TensorProto.DataType.Name(number) for number in found)


def _groups(node: onnx.NodeProto, types: Types, opset: int) -> list[set[int]]:
    """Return the types that a node reads, apart for each type variable of its operator."""
    if not defs.has(node.op_type, opset, node.domain):
        return []
    formal = defs.get_schema(node.op_type, opset, node.domain).inputs
    groups: dict[str, set[int]] = defaultdict(set)
    for position, name in enumerate(node.input):
        if name in types:
            groups[formal[min(position, len(formal) - 1)].type_str].add(types[name])
    return list(groups.values())


def _skeleton(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph whose weights are inputs: inference then need not carry them."""
    graph = model.graph
    small = [tensor for tensor in graph.initializer if len(tensor.raw_data) <= SMALL_BYTES]
    weights = [tensor for tensor in graph.initializer if len(tensor.raw_data) > SMALL_BYTES]
    inputs = [helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in weights]
    outputs = [helper.make_empty_tensor_value_info(value.name) for value in graph.output]
    proto = helper.make_graph(list(graph.node), graph.name, [*graph.input, *inputs], outputs, small)
    return helper.make_model(proto, opset_imports=list(model.opset_import), ir_version=model.ir_version)
