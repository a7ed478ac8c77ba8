"""Which engine runs the graph on this machine."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pigeon_edge import cuda
from pigeon_edge.bundle import Bundle
from pigeon_edge.encoders.onnxruntime import OnnxRuntimeEncoder
from pigeon_edge.encoders.openvino import OpenVinoEncoder
from pigeon_edge.encoders.protocol import Encoder
from pigeon_edge.encoders.tensorrt import TensorRtEncoder
from pigeon_edge.engines.api import TensorRt, installed_flavour, load_tensorrt
from pigeon_edge.engines.cache import REBUILD, BuiltEngine, EngineCache, default_folder
from pigeon_edge.engines.key import EngineKey
from pigeon_edge.errors import EngineError, MissingToolError
from pigeon_edge.files import sha256_of
from pigeon_edge.system.machine import l4t_branch


class Engine(str, Enum):
    """What runs the graph.

    AUTO is TensorRT where the cache holds an engine for exactly this graph and machine, else OpenVINO where it is
    installed (x86-64), else ONNX Runtime.
    """

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"


class Precision(str, Enum):
    """Which graph of the bundle runs: the quantized one that ships, or its full-precision twin where there is one."""

    INT8 = "int8"
    FP32 = "fp32"


_GRAPHS = {Precision.INT8: "encoder.int8.onnx", Precision.FP32: "encoder.onnx"}


@dataclass(frozen=True)
class Choice:
    """What AUTO stands for; ``hint`` says why a GPU that could run the graph does not, None where there is none."""

    engine: Engine
    hint: str | None


def automatic(bundle: Bundle, precision: Precision = Precision.INT8) -> Choice:
    """Return what AUTO stands for. Nothing of CUDA or TensorRT is touched where no engine of the graph was built."""
    graph_sha256 = _sha256(bundle, precision)
    if EngineCache(default_folder()).holds(graph_sha256):
        try:
            find_engine(graph_sha256)
        except (EngineError, MissingToolError) as error:
            return Choice(on_processor(), f"not on the GPU: {error}")
        return Choice(Engine.TENSORRT, None)
    unused = l4t_branch() and f"not on the GPU: no TensorRT engine of this bundle yet; build one: {REBUILD}"
    return Choice(on_processor(), unused)


def open_encoder(bundle: Bundle, engine: Engine = Engine.AUTO, precision: Precision = Precision.INT8) -> Encoder:
    """Open a bundle's encoder. Raises EngineError, MissingToolError, or BundleError for a twin it does not have."""
    graph = bundle.file(_GRAPHS[precision])
    chosen = automatic(bundle, precision).engine if engine is Engine.AUTO else engine
    return _open_tensorrt(_sha256(bundle, precision)) if chosen is Engine.TENSORRT else open_graph(graph, chosen)


def open_graph(graph: Path, engine: Engine = Engine.AUTO) -> Encoder:
    """Open an encoder graph that is in no bundle yet. Raises EngineError or MissingToolError.

    AUTO is the processor here: engines are built of bundles.
    """
    if engine is Engine.TENSORRT:
        return _open_tensorrt(sha256_of(graph))
    chosen = on_processor() if engine is Engine.AUTO else engine
    return OpenVinoEncoder(graph) if chosen is Engine.OPENVINO else OnnxRuntimeEncoder(graph)


def _open_tensorrt(graph_sha256: str) -> TensorRtEncoder:
    api, engine = find_engine(graph_sha256)
    return TensorRtEncoder(api, engine.read())


def find_engine(graph_sha256: str) -> tuple[TensorRt, BuiltEngine]:
    """Return the engine that was built of a graph for this machine, and what runs it.

    Raises MissingToolError without TensorRT or pycuda, EngineError without a GPU or the engine.
    """
    api = load_tensorrt(installed_flavour())
    key = EngineKey.of(graph_sha256, api, cuda.gpu(), l4t_branch())
    return api, EngineCache(default_folder()).find(key)


def _sha256(bundle: Bundle, precision: Precision) -> str:
    """Return the checksum of a graph as the manifest has it. Raises BundleError for a twin the bundle does not have."""
    name = _GRAPHS[precision]
    bundle.file(name)
    return bundle.files[name][1]


def on_processor() -> Engine:
    """Return what runs graphs on the processor: OpenVINO where it is installed, else ONNX Runtime."""
    return Engine.OPENVINO if importlib.util.find_spec("openvino") else Engine.ONNXRUNTIME
