"""PURE: does a graph keep the rules under which TensorRT 10.3 to 11 build it, and build it fast?

The rules are those of NvInfer.h (IQuantizeLayer, release 10.3), of onnx-tensorrt's docs/operators.md, of strongly typed
networks, in which no engine casts anything by itself, and of TensorRT's guide to fused attention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

from pigeon_export.graph.tensor_types import mixed_types, tensor_types

MAX_OPSET = 20
"""The highest opset of the default domain that TensorRT 10.3 reads."""

MIN_OPSET = 17
"""The first opset with LayerNormalization."""

MIN_HALF_SCALE_OPSET = 19
"""The first opset whose Q and DQ take scales of float16."""

FLOAT32_STATISTICS = 1
"""LayerNormalization's ``stash_type`` that TensorRT computes mean and variance in."""

_UNREAD_OPS = ("DynamicQuantizeLinear", "QLinearMatMul", "QLinearConv", "MatMulInteger", "ConvInteger")

_SCALE, _ZERO_POINT = 1, 2
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def lint(model: onnx.ModelProto) -> list[str]:
    """Return what breaks a rule, one line each; empty when the graph is good."""
    index = _Index.of(model)
    return [finding for rule in _RULES for finding in rule(index)]


@dataclass(frozen=True)
class _Index:
    """A graph with its tensors by name."""

    model: onnx.ModelProto
    producers: dict[str, onnx.NodeProto]
    constants: dict[str, onnx.TensorProto]
    types: dict[str, int]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> _Index:
        producers = {output: node for node in model.graph.node for output in node.output}
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        return cls(model, producers, constants, tensor_types(model))

    def type_of(self, tensor: str) -> str:
        """Return the type of a tensor as people write it, empty where it is not known."""
        return TensorProto.DataType.Name(self.types[tensor]).lower() if tensor in self.types else ""

    def nodes(self, *ops: str) -> Iterator[onnx.NodeProto]:
        return (node for node in self.model.graph.node if node.op_type in ops)

    def op_of(self, tensor: str) -> str:
        return self.producers[tensor].op_type if tensor in self.producers else ""

    def is_weight(self, node: onnx.NodeProto) -> bool:
        """Tell whether a Q or DQ works on a constant, at once or after the Q before it."""
        source = node.input[0]
        if self.op_of(source) == "QuantizeLinear":
            source = self.producers[source].input[0]
        return source in self.constants

    def values(self, node: onnx.NodeProto, position: int) -> npt.NDArray[Any] | None:
        """Return a constant input, None where it is absent, computed, or in another file."""
        tensor = self.constants.get(node.input[position]) if len(node.input) > position else None
        if tensor is None or tensor.data_location == TensorProto.EXTERNAL:
            return None
        return np.asarray(numpy_helper.to_array(tensor))


def _opset(index: _Index) -> Iterator[str]:
    for opset in index.model.opset_import:
        if opset.domain not in ("", "ai.onnx"):
            yield f"opset domain {opset.domain!r}: TensorRT reads the default domain only"
        elif opset.version > MAX_OPSET:
            yield f"opset {opset.version}: TensorRT 10.3 reads at most {MAX_OPSET}"
        elif opset.version < (minimum := _min_opset(index)):
            yield f"opset {opset.version}: at least {minimum} is needed, by LayerNormalization 17, by float16 scales 19"


def _weights_inside(index: _Index) -> Iterator[str]:
    for name, tensor in index.constants.items():
        if tensor.data_location == TensorProto.EXTERNAL:
            yield f"{name}: the weight is in another file, it must be inside the graph's"


def _zero_points(index: _Index) -> Iterator[str]:
    for node in index.nodes("QuantizeLinear", "DequantizeLinear"):
        zero_point = index.values(node, _ZERO_POINT)
        absent = len(node.input) <= _ZERO_POINT or not node.input[_ZERO_POINT]
        if zero_point is None and not absent:
            yield f"{node.name}: the zero point is no constant in the file"
        elif zero_point is not None and np.any(zero_point != 0):
            yield f"{node.name}: the zero point is not 0, only symmetric quantization is read"


def _signed(index: _Index) -> Iterator[str]:
    for node in index.nodes("QuantizeLinear", "DequantizeLinear"):
        zero_point = index.values(node, _ZERO_POINT)
        stored = index.values(node, 0) if node.op_type == "DequantizeLinear" else None
        types = [array.dtype for array in (zero_point, stored) if array is not None]
        unsigned_by_default = node.op_type == "QuantizeLinear" and len(node.input) <= _ZERO_POINT
        other = "uint8" if unsigned_by_default else next((str(found) for found in types if found != np.int8), "")
        if other:
            yield f"{node.name}: quantized to {other}, only int8 is read"


def _one_source(index: _Index) -> Iterator[str]:
    """A tensor comes from one place: ONNX's static single assignment (IR.md)."""
    graph = index.model.graph
    made = Counter(output for node in graph.node for output in node.output if output)
    given = {*index.constants, *(value.name for value in graph.input)}
    for name, nodes in made.items():
        if nodes > 1:
            yield f"{name}: {nodes} nodes give this tensor, only one may"
        elif name in given:
            yield f"{name}: a node gives this tensor, which is an input or a weight already"


def _operators(index: _Index) -> Iterator[str]:
    for node in index.nodes(*_UNREAD_OPS):
        yield f"{node.name}: {node.op_type} is not read, quantization is written as Q and DQ"


def _scales(index: _Index) -> Iterator[str]:
    for node in index.nodes("QuantizeLinear", "DequantizeLinear"):
        scale = index.values(node, _SCALE)
        if scale is None:
            yield f"{node.name}: the scale is no constant in the file"
        elif not np.all(scale > 0) or not np.all(np.isfinite(scale)):
            yield f"{node.name}: the scale is not positive"
        elif scale.size > 1 and not index.is_weight(node):
            yield f"{node.name}: an activation has {scale.size} scales, only one a tensor is read"


def _weight_channels(index: _Index) -> Iterator[str]:
    """A weight has one scale per output channel: the last axis of MatMul's, the first of Conv's."""
    for consumer in index.nodes("MatMul", "Gemm", "Conv"):
        node = index.producers.get(consumer.input[1])
        if node is None or node.op_type != "DequantizeLinear" or not index.is_weight(node):
            continue
        weight, scale = _stored(index, node), index.values(node, _SCALE)
        if weight is None or scale is None:
            continue
        axis = _output_axis(consumer, weight.ndim)
        if scale.shape != (weight.shape[axis],) or _attribute(node, "axis", 1) % weight.ndim != axis:
            yield f"{node.name}: the weight's scales are not one per output channel (axis {axis})"


def _residuals(index: _Index) -> Iterator[str]:
    for node in index.nodes("Add"):
        sources = [index.producers[name] for name in node.input if index.op_of(name) == "DequantizeLinear"]
        if any(not index.is_weight(source) for source in sources):
            yield f"{node.name}: a residual add reads a quantized tensor, which ruins a vision transformer's accuracy"


def _layer_norms(index: _Index) -> Iterator[str]:
    if not any(index.nodes("LayerNormalization")):
        yield "no LayerNormalization: layer norms must be one op each, in pieces they overflow in half precision"
    for node in index.nodes("Pow", "Sqrt"):
        yield f"{node.name}: {node.op_type} looks like a layer norm in pieces, which overflows in half precision"
    for node in index.nodes("LayerNormalization"):
        if _attribute(node, "stash_type", FLOAT32_STATISTICS) != FLOAT32_STATISTICS:
            yield f"{node.name}: the stash_type is not float32, the squares of loud channels overflow"
        if any(node.output[1:]):
            yield f"{node.name}: {len(node.output)} outputs, only the normalised tensor is read"


def _attention(index: _Index) -> Iterator[str]:
    for node in index.nodes("Softmax"):
        between = index.op_of(node.input[0])
        if between != "MatMul":
            yield f"{node.name}: {between or 'an input'} stands between QK^T and Softmax, which blocks fused attention"
        for reader in index.model.graph.node:
            if node.output[0] in reader.input and reader.op_type != "MatMul":
                yield f"{reader.name}: {reader.op_type} stands between Softmax and V, which blocks fused attention"


def _scale_types(index: _Index) -> Iterator[str]:
    for node in index.nodes("QuantizeLinear"):
        found, wanted = (index.type_of(name) for name in (node.input[_SCALE], node.input[0]))
        if found and wanted and found != wanted:
            yield f"{node.name}: the scale is {found} and the input {wanted}, strong typing wants one type"


def _types(index: _Index) -> Iterator[str]:
    for node, types in mixed_types(index.model, index.types):
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):  # which have rules of their own
            yield f"{node.name}: {node.op_type} reads {' and '.join(types).lower()}, an engine casts nothing by itself"
    for value in index.model.graph.output:
        declared = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
        if index.type_of(value.name) not in ("", declared):
            yield f"{value.name}: the output is said to be {declared}, but made as {index.type_of(value.name)}"


def _finite(index: _Index) -> Iterator[str]:
    for name, tensor in index.constants.items():
        inside = tensor.data_type in _FLOATS and tensor.data_location != TensorProto.EXTERNAL
        if inside and not np.all(np.isfinite(numpy_helper.to_array(tensor))):
            yield f"{name}: the weight holds values that are not finite, as overflow leaves them"


_RULES: tuple[Callable[[_Index], Iterable[str]], ...] = (
    _opset, _one_source, _operators, _weights_inside, _finite, _zero_points, _signed, _scales, _scale_types,
    _weight_channels, _residuals, _layer_norms, _attention, _types,
)  # fmt: skip


def _min_opset(index: _Index) -> int:
    quantizers = index.nodes("QuantizeLinear", "DequantizeLinear")
    half = any(index.type_of(node.input[_SCALE]) == "float16" for node in quantizers)
    return MIN_HALF_SCALE_OPSET if half else MIN_OPSET


def _stored(index: _Index, node: onnx.NodeProto) -> npt.NDArray[Any] | None:
    source = index.producers.get(node.input[0])
    return index.values(source if source is not None else node, 0)


def _output_axis(consumer: onnx.NodeProto, rank: int) -> int:
    if consumer.op_type == "Conv" or (consumer.op_type == "Gemm" and _attribute(consumer, "transB", 0)):
        return 0
    return rank - 1


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), default)
