"""Copies of ONNX graphs and nodes with some fields replaced. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx
from onnx import helper


def copied(node: onnx.NodeProto, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.NodeProto:
    """Return a node that reads and writes other tensors."""
    result = onnx.NodeProto()
    result.CopyFrom(node)
    del result.input[:], result.output[:]
    result.input.extend(inputs)
    result.output.extend(outputs)
    return result


def rebuilt(
    model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto], weights: Iterable[onnx.TensorProto]
) -> onnx.ModelProto:
    """Return a model with other nodes and weights; inputs, outputs and metadata stay as they are."""
    graph = model.graph
    proto = helper.make_graph(list(nodes), graph.name, list(graph.input), list(graph.output), list(weights))
    result = helper.make_model(proto, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    result.producer_name = model.producer_name
    result.metadata_props.extend(model.metadata_props)
    return result
