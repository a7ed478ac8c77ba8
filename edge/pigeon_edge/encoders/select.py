"""Which engine runs the graph on this machine."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pigeon_edge import cuda
from pigeon_edge.bundle import GRAPH, Bundle
from pigeon_edge.encoders.onnxruntime import OnnxRuntimeEncoder
from pigeon_edge.encoders.openvino import OpenVinoEncoder
from pigeon_edge.encoders.protocol import Encoder
from pigeon_edge.encoders.tensorrt import TensorRtEncoder
from pigeon_edge.engines.api import TensorRt, installed_flavour, load_tensorrt
from pigeon_edge.engines.cache import REBUILD, BuiltEngine, EngineCache, default_folder
from pigeon_edge.engines.key import EngineKey
from pigeon_edge.errors import EngineError, MissingToolError, UsageError
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


@dataclass(frozen=True)
class Choice:
    """What AUTO stands for; ``hint`` says why a GPU that could run the graph does not, None where there is none."""

    engine: Engine
    hint: str | None


def automatic(bundle: Bundle) -> Choice:
    """Return what AUTO stands for. Nothing of CUDA or TensorRT is touched where no engine of the graph was built."""
    if EngineCache(default_folder()).holds(bundle.files[GRAPH][1]):
        try:
            find_engine(bundle)
        except (EngineError, MissingToolError) as error:
            return Choice(on_processor(), f"not on the GPU: {error}")
        return Choice(Engine.TENSORRT, None)
    unused = l4t_branch() and f"not on the GPU: no TensorRT engine of this bundle yet; build one: {REBUILD}"
    return Choice(on_processor(), unused)


def open_encoder(bundle: Bundle, engine: Engine = Engine.AUTO) -> Encoder:
    """Open a bundle's encoder. Raises EngineError or MissingToolError."""
    chosen = automatic(bundle).engine if engine is Engine.AUTO else engine
    if chosen is Engine.TENSORRT:
        api, built = find_engine(bundle)
        return TensorRtEncoder(api, built.read)
    return open_graph(bundle.file(GRAPH), chosen)


def open_graph(graph: Path, engine: Engine = Engine.AUTO) -> Encoder:
    """Open an encoder graph that is in no bundle, on the processor. Raises EngineError, or UsageError for TENSORRT."""
    if engine is Engine.TENSORRT:
        raise UsageError(f"{graph}: expected a bundle for --engine tensorrt, whose engines are built of bundles")
    chosen = on_processor() if engine is Engine.AUTO else engine
    return OpenVinoEncoder(graph) if chosen is Engine.OPENVINO else OnnxRuntimeEncoder(graph)


def find_engine(bundle: Bundle) -> tuple[TensorRt, BuiltEngine]:
    """Return the engine that was built of a bundle for this machine, and what runs it.

    Raises EngineError without a GPU or the engine, MissingToolError without pycuda or TensorRT.
    """
    gpu = cuda.gpu()
    api = load_tensorrt(installed_flavour())
    return api, EngineCache(default_folder()).find(EngineKey.of(bundle, api, gpu, l4t_branch()))


def on_processor() -> Engine:
    """Return what runs graphs on the processor: OpenVINO where it is installed, else ONNX Runtime."""
    return Engine.OPENVINO if importlib.util.find_spec("openvino") else Engine.ONNXRUNTIME
