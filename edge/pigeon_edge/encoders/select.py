"""Which engine runs the graph on this machine."""

from __future__ import annotations

import importlib.util
from enum import Enum
from pathlib import Path

from pigeon_edge.bundle import Bundle
from pigeon_edge.encoders.onnxruntime import OnnxRuntimeEncoder
from pigeon_edge.encoders.openvino import OpenVinoEncoder
from pigeon_edge.encoders.protocol import Encoder


class Engine(str, Enum):
    """What runs the graph; AUTO is OpenVINO where it is installed (x86-64), else ONNX Runtime."""

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


class Precision(str, Enum):
    """Which graph of the bundle runs: the quantized one that ships, or its full-precision twin where there is one."""

    INT8 = "int8"
    FP32 = "fp32"


_GRAPHS = {Precision.INT8: "encoder.int8.onnx", Precision.FP32: "encoder.onnx"}


def open_encoder(bundle: Bundle, engine: Engine = Engine.AUTO, precision: Precision = Precision.INT8) -> Encoder:
    """Open a bundle's encoder. Raises EngineError, MissingToolError, or BundleError for a twin it does not have."""
    return open_graph(bundle.file(_GRAPHS[precision]), engine)


def open_graph(graph: Path, engine: Engine = Engine.AUTO) -> Encoder:
    """Open an encoder graph that is in no bundle yet. Raises EngineError or MissingToolError."""
    chosen = _available() if engine is Engine.AUTO else engine
    return OpenVinoEncoder(graph) if chosen is Engine.OPENVINO else OnnxRuntimeEncoder(graph)


def _available() -> Engine:
    return Engine.OPENVINO if importlib.util.find_spec("openvino") else Engine.ONNXRUNTIME
