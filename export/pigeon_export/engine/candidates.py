"""The graph of each precision that an engine may be built in; its types are what TensorRT computes in."""

from __future__ import annotations

from pathlib import Path

from pigeon_calibration.gate.thresholds import check_not_unverified
from pigeon_calibration.graphs import load_onnx
from pigeon_edge.encoders.tensorrt.cache import EnginePrecision
from pigeon_edge.errors import InputError
from pigeon_export.graph.dequantized import without_quantization
from pigeon_export.half.convert import to_half
from pigeon_export.half.tolerances import is_half


def candidate(graph: Path, precision: EnginePrecision) -> bytes:
    """Return an encoder graph, quantized or not, in one precision, serialised.

    Raises InputError where it cannot be read, cannot be in half precision, or has no quantized activations for int8;
    GateError where it fell short of the gate of `calibrate int8`.
    """
    model = load_onnx(graph)
    check_not_unverified(model, graph)
    ops = {node.op_type for node in model.graph.node}
    if precision is EnginePrecision.INT8 and "QuantizeLinear" not in ops:
        raise InputError(f"{graph}: expected quantized activations for int8, found none; run `calibrate int8`")
    try:
        if precision is EnginePrecision.FP16 and "DequantizeLinear" in ops:
            model = without_quantization(model)
        return bytes((model if is_half(model) else to_half(model)).SerializeToString())
    except InputError as error:
        raise InputError(f"{graph}: {error}") from error
