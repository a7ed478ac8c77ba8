"""PURE graph pass: a float32 graph, or the float32 glue of an int8 one, in half precision, strongly typed.

    pixels > .float > .centred > .scaled     to -0.5..0.5, exactly; the patch embedding takes it back
    patch_embedding .. layers.K.residual2    float16, with the scales of Q/DQ
    everything behind the first reduction    float32: the readout, ``image_embedding`` and the heads

Where half precision overflows, and what is done about it:

- LayerNormalization is one op, whose statistics are of float32 (``stash_type`` 1); in pieces it squares its input, and
  the square of a channel as loud as 1,418 is far beyond 65,504.
- A mean or a length sums its input first. From there on the graph is float32: it is little of the work, and the logits
  of ten thousand cells need more than 11 bits to differ.
- Kernels that take 0..255 are near the smallest numbers of half precision; see ``graph/centred_pixels.py``.
- A scale too small for half precision becomes the smallest that it has, and weights are rounded to the scale they get.
- A weight, or the range of an activation, beyond 65,504 is refused by name.

Inputs, outputs, names and metadata stay as they are. No cast is left to an engine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pigeon_edge.errors import InputError
from pigeon_export.graph.centred_pixels import with_centred_pixels
from pigeon_export.graph.copy import copied, rebuilt
from pigeon_export.graph.dequantized import scale_along_axis
from pigeon_export.graph.tensor_types import Types, mixed_types, tensor_types
from pigeon_export.half.tolerances import is_half

MIN_QUANTIZED_OPSET = 19
"""The first opset whose Q and DQ take scales of float16."""

FLOAT16_MAX = float(np.finfo(np.float16).max)
FLOAT16_TINIEST = np.finfo(np.float16).smallest_subnormal
INT8_MAX = 127

_REDUCTIONS = frozenset({"ReduceMean", "ReduceSum", "ReduceL2", "ReduceSumSquare"})
_QUANTIZERS = frozenset({"QuantizeLinear", "DequantizeLinear"})


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph of the same function in half precision; ``model`` is unchanged.

    Raises InputError for a graph in half precision, of an opset without float16 scales, without LayerNormalization, or
    with a weight that half precision cannot hold.
    """
    _check(model)
    centred = with_centred_pixels(model)
    half = _Half(centred, tensor_types(centred))
    for node in centred.graph.node:
        half.add(node)
    result = rebuilt(model, half.nodes, half.initializers())
    for node, types in mixed_types(result, tensor_types(result)):
        raise InputError(
            f"expected a graph that can be strongly typed, found {' and '.join(types)} in {node.name}; give the graph "
            "of `export onnx`"
        )
    return result


def _check(model: onnx.ModelProto) -> None:
    ops = {node.op_type for node in model.graph.node}
    if is_half(model):
        raise InputError("expected a float32 graph, found one in half precision; give the graph that it was made of")
    if "LayerNormalization" not in ops:
        raise InputError(
            "expected LayerNormalization, found none: in pieces it overflows in half precision; give the graph of "
            "`export onnx`"
        )
    opset = max((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), default=0)
    if opset < MIN_QUANTIZED_OPSET and ops & _QUANTIZERS:
        raise InputError(
            f"expected opset {MIN_QUANTIZED_OPSET} or later, as float16 scales need, found {opset}; export and "
            "quantize the graph again"
        )


class _Half:
    """The nodes and weights of a graph in half precision, as they grow; the tensors in ``_full`` stay float32."""

    def __init__(self, model: onnx.ModelProto, types: Types) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._types = types
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._full = _full_precision(model)
        outputs = {value.name for value in model.graph.output if types[value.name] == TensorProto.FLOAT}
        self._before_cast = {name: f"{name}.half" for name in outputs - self._full}
        self._rounded: dict[str, npt.NDArray[Any]] = {}
        self._casts: dict[str, str] = {}

    def add(self, node: onnx.NodeProto) -> None:
        """Add a node of the float32 graph, and the casts that it needs."""
        full = not self._full.isdisjoint(node.output)
        inputs = [self._in_precision(name, full) for name in node.input]
        if node.op_type in _QUANTIZERS and not full:
            self._round_scale(node)
        made = copied(node, inputs, [self._before_cast.get(name, name) for name in node.output])
        if node.op_type == "Cast" and not full:
            _cast_to_half(made)
        self.nodes.append(made)
        for name in self._before_cast.keys() & node.output:
            made.name = self._before_cast[name]
            self._cast(self._before_cast[name], name, TensorProto.FLOAT)

    def initializers(self) -> list[onnx.TensorProto]:
        """Return the weights, in half precision but those that float32 reads."""
        return [self._weight(name, tensor) for name, tensor in self._weights.items()]

    def _in_precision(self, name: str, full: bool) -> str:
        """Return the name of a tensor in the precision of the node that reads it."""
        if self._types.get(name) != TensorProto.FLOAT or full == (name in self._full):
            return self._before_cast.get(name, name)
        if name not in self._casts and name not in self._before_cast:
            suffix, to = ("full", TensorProto.FLOAT) if full else ("half", TensorProto.FLOAT16)
            self._casts[name] = self._cast(name, f"{name}.{suffix}", to)
        return self._casts.get(name, name)

    def _cast(self, source: str, result: str, to: int) -> str:
        self.nodes.append(helper.make_node("Cast", [source], [result], result, to=to))
        return result

    def _round_scale(self, node: onnx.NodeProto) -> None:
        """Round a scale to half precision, and the weight that it belongs to with it."""
        data, name = node.input[:2]
        if name not in self._weights:
            raise InputError(f"expected constant scales, found that of {node.name} computed; quantize the graph again")
        scale = numpy_helper.to_array(self._weights[name])
        self._rounded[name] = rounded = np.maximum(_half(name, scale), FLOAT16_TINIEST)
        if data not in self._weights:
            _half(f"the range of {node.name}", scale * INT8_MAX)
        elif node.op_type == "DequantizeLinear":
            values = numpy_helper.to_array(self._weights[data])
            again = values * scale_along_axis(node, scale / rounded.astype(np.float32), values.ndim)
            self._rounded[data] = np.clip(np.rint(again), -INT8_MAX - 1, INT8_MAX).astype(np.int8)

    def _weight(self, name: str, tensor: onnx.TensorProto) -> onnx.TensorProto:
        if name in self._rounded:
            return numpy_helper.from_array(self._rounded[name], name)
        if tensor.data_type != TensorProto.FLOAT or name in self._full:
            return tensor
        return numpy_helper.from_array(_half(name, numpy_helper.to_array(tensor)), name)


def _full_precision(model: onnx.ModelProto) -> set[str]:
    """Return the tensors that a reduction makes, those made out of them, and the weights that these are made with."""
    found: set[str] = set()
    weights = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in _REDUCTIONS or found.intersection(node.input):
            found.update(node.output)
            found.update(weights.intersection(node.input))
    return found


def _half(name: str, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Return values in half precision. Raises InputError where it cannot hold them."""
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= FLOAT16_MAX:  # written so that a value that is no number is refused
        raise InputError(
            f"expected values of at most {FLOAT16_MAX:,.0f}, which half precision can hold, found {largest:,.0f} in "
            f"{name}; keep the graph in float32"
        )
    return values.astype(np.float16)


def _cast_to_half(cast: onnx.NodeProto) -> None:
    for attribute in cast.attribute:
        if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
