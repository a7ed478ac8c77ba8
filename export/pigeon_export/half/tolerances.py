"""PURE: what a graph computes in, and how near such a graph has to be to what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import onnx
from onnx import TensorProto

from pigeon_calibration.gate.thresholds import INT8_THRESHOLDS, Thresholds

TOLERANCES: Mapping[str, Thresholds] = MappingProxyType(
    {
        "fp32": Thresholds(cosine_p01=0.9999, top1_agreement=0.99),
        "fp16": Thresholds(cosine_p01=0.999, top1_agreement=0.98),
        "int8": INT8_THRESHOLDS,
    }
)
"""What a graph or engine of each precision must reach against the torch reference. Two builds of one float32 network
agree on 99.9 to 100 % of predictions (onnxsim, scripts/nvidia/README.md), so none asks for equality."""


def precision_of(model: onnx.ModelProto) -> str:
    """Return "int8" for a graph with Q or DQ, "fp16" for one with weights in half precision, else "fp32"."""
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node):
        return "int8"
    return "fp16" if is_half(model) else "fp32"


def is_half(model: onnx.ModelProto) -> bool:
    """Tell whether a graph has weights in half precision."""
    return any(tensor.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16) for tensor in model.graph.initializer)
