"""PURE graph pass: pixels at -0.5..0.5 instead of 0..255, for a patch embedding in half precision.

A kernel that takes 0..255 holds weights of 1e-4 and less, where half precision has lost digits (its smallest normal
number is 6.1e-5), and what it sums up is mostly the grey that its bias takes away again. Both the 128 and the 256 are
powers of two: no pixel is rounded.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pigeon_export.graph.copy import copied, rebuilt

GREY, SPAN = np.float32(128), np.float32(256)


def with_centred_pixels(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph of the same function whose patch embedding takes (pixels - 128) / 256.

    A graph that does not begin with Cast, Transpose and a Conv with a bias that pads nothing comes back as it is.
    """
    found = _patch_embedding(model)
    if found is None:
        return model
    cast, conv = found
    pixels, weights = cast.output[0], {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
                                       if tensor.name in conv.input}  # fmt: skip
    kernel, bias = (weights[name].astype(np.float64) for name in conv.input[1:])
    arrays = {
        conv.input[1]: kernel * SPAN, conv.input[2]: bias + kernel.sum(axis=(1, 2, 3)) * GREY,
        f"{pixels}.grey": GREY, f"{pixels}.span": 1 / SPAN,
    }  # fmt: skip
    nodes = []
    for node in model.graph.node:
        nodes.append(copied(node, [f"{pixels}.scaled" if name == pixels else name for name in node.input], node.output))
        if cast.output[0] in node.output:
            nodes.append(_node("Sub", [pixels, f"{pixels}.grey"], f"{pixels}.centred"))
            nodes.append(_node("Mul", [f"{pixels}.centred", f"{pixels}.span"], f"{pixels}.scaled"))
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in arrays]
    made = [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in arrays.items()]
    return rebuilt(model, nodes, kept + made)


def _patch_embedding(model: onnx.ModelProto) -> tuple[onnx.NodeProto, onnx.NodeProto] | None:
    """Return the Cast of the pixels and the Conv that takes them."""
    constants = {tensor.name for tensor in model.graph.initializer}
    cast = _only_reader(model, model.graph.input[0].name, "Cast")
    planes = cast and _only_reader(model, cast.output[0], "Transpose")
    conv = planes and _only_reader(model, planes.output[0], "Conv")
    if not cast or not conv or len(conv.input) < 3 or not constants.issuperset(conv.input[1:]):
        return None
    pads = any(any(item.ints) for item in conv.attribute if item.name == "pads")
    return None if pads or any(item.name == "auto_pad" for item in conv.attribute) else (cast, conv)


def _only_reader(model: onnx.ModelProto, tensor: str, op: str) -> onnx.NodeProto | None:
    readers = [node for node in model.graph.node if tensor in node.input]
    return readers[0] if len(readers) == 1 and readers[0].op_type == op else None


def _node(op: str, inputs: list[str], name: str) -> onnx.NodeProto:
    return helper.make_node(op, inputs, [name], name)
