"""Which engine runs the graph on this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from pigeon_edge.bundle.format import GRAPH, Bundle
from pigeon_edge.encoders.onnxruntime import OnnxRuntimeEncoder
from pigeon_edge.encoders.openvino import OpenVinoEncoder
from pigeon_edge.encoders.protocol import Encoder
from pigeon_edge.encoders.tensorrt import cuda
from pigeon_edge.encoders.tensorrt.api import TensorRt, installed_flavour, load_tensorrt
from pigeon_edge.encoders.tensorrt.cache import REBUILD, BuiltEngine, EngineCache, default_folder
from pigeon_edge.encoders.tensorrt.encoder import TensorRtEncoder
from pigeon_edge.encoders.tensorrt.key import EngineKey
from pigeon_edge.errors import EngineError, MissingToolError, UsageError
from pigeon_edge.system.instructions import int8_instructions
from pigeon_edge.system.machine import l4t_branch


class Engine(str, Enum):
    """What runs the graph.

    AUTO is TensorRT where the cache holds an engine for exactly this graph and machine, else what
    ``on_processor`` says.
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
    if chosen not in ON_PROCESSOR:
        raise UsageError(f"{graph}: expected one of {', '.join(each.value for each in ON_PROCESSOR)}, found {chosen}")
    return ON_PROCESSOR[chosen](graph)


def find_engine(bundle: Bundle) -> tuple[TensorRt, BuiltEngine]:
    """Return the engine that was built of a bundle for this machine, and what runs it.

    Raises EngineError without a GPU or the engine, MissingToolError without pycuda or TensorRT.
    """
    gpu = cuda.gpu()
    api = load_tensorrt(installed_flavour())
    return api, EngineCache(default_folder()).find(EngineKey.of(bundle, api, gpu, l4t_branch()))


ON_PROCESSOR: Mapping[Engine, Callable[[Path], Encoder]] = MappingProxyType(
    {Engine.OPENVINO: OpenVinoEncoder, Engine.ONNXRUNTIME: OnnxRuntimeEncoder}
)
"""What runs graphs on processors, by name."""

EXACT_ON_OPENVINO = ("amx_int8", "avx512_vnni", "avx_vnni")
"""Instructions that add int8 products in 32 bits. With AVX2 alone OpenVINO adds them in 16, which saturate."""


def on_processor(instructions: str | None = None) -> Engine:
    """Return what runs graphs on a processor of these int8 instructions, by default this one's.

    OpenVINO where its int8 products are exact, as it is not slower there (``python -m tests.bench encoders``); else
    ONNX Runtime, whose are exact everywhere; where only one is installed, that one.
    """
    exact = (instructions or int8_instructions()) in EXACT_ON_OPENVINO
    order = (Engine.OPENVINO, Engine.ONNXRUNTIME) if exact else (Engine.ONNXRUNTIME, Engine.OPENVINO)
    return next((engine for engine in order if importlib.util.find_spec(engine.value)), Engine.ONNXRUNTIME)


def reason_on_processor() -> str:
    """Return why ``on_processor`` answers as it does, for a person."""
    named = int8_instructions() or "no int8 instructions known"
    if on_processor() is Engine.ONNXRUNTIME:
        return f"{named}: ONNX Runtime is exact with any"
    if named in EXACT_ON_OPENVINO:
        return f"{named}: OpenVINO is exact and quick with it"
    return f"{named}: OpenVINO may saturate without VNNI; pip install onnxruntime"
