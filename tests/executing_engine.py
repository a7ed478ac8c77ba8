"""A stand-in for TensorRT that executes: an engine is an ONNX graph, its plan the graph's bytes.

It has exactly the names of one version (``tensorrt_surfaces``), reads the input at the address that it is told and
writes what ONNX Runtime computes to those of the outputs, once the stream gets there. It refuses what TensorRT refuses:
shapes outside the profile, tensors without an address, use without a context, in another thread or after CUDA's end.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np
from tests.cuda_stand_in import StandInCuda
from tests.tensorrt_surfaces import RTX, StandIn

from pigeon_edge.encoders.tensorrt.api import Flavour, TensorRt
from pigeon_edge.encoders.without_telemetry import import_onnxruntime

PROFILES = (1, 4, 8)
_SESSIONS: dict[bytes, Any] = {}


class ExecutingTensorRt:
    """``api`` is what ``load_tensorrt`` would return; ``alive`` counts runtimes, engines and contexts not yet released.

    Outputs named in ``half`` are FP16. ``profiles`` are the batches of the engines.
    """

    def __init__(
        self, version: str, cuda: StandInCuda, half: tuple[str, ...] = (), profiles: tuple[int, ...] = PROFILES
    ) -> None:
        self.cuda, self.half, self.profiles, self.alive = cuda, half, profiles, 0
        self.fail: set[str] = set()
        self.batches: list[int] = []
        self.stand_in = StandIn(version, self._behaviours())
        self.module = self.stand_in.module
        flavour = Flavour.RTX if version == RTX else Flavour.TENSORRT
        self.api = TensorRt(self.module, flavour, version)

    def _behaviours(self) -> dict[str, Any]:
        return {
            "nptype": self._nptype,
            "Runtime.deserialize_cuda_engine": self._deserialize,
            "ICudaEngine.num_optimization_profiles": len(self.profiles),
            "ICudaEngine.get_tensor_name": lambda engine, index: _names(engine)[index],
            "ICudaEngine.get_tensor_mode": self._mode,
            "ICudaEngine.get_tensor_dtype": self._dtype,
            "ICudaEngine.get_tensor_shape": _shape,
            "ICudaEngine.get_tensor_profile_shape": self._profile_shape,
            "ICudaEngine.create_execution_context": self._create_context,
            "IExecutionContext.set_optimization_profile_async": self._select,
            "IExecutionContext.set_input_shape": self._set_input_shape,
            "IExecutionContext.set_tensor_address": self._set_address,
            "IExecutionContext.execute_async_v3": self._execute,
        }

    def _living(self, thing: Any, what: str) -> Any:
        """Count an object of TensorRT, and check that CUDA is there when it ends."""
        self.cuda.in_context(what)
        self.alive += 1
        weakref.finalize(thing, self._ended, what).atexit = False
        return thing

    def _ended(self, what: str) -> None:
        self.alive -= 1
        try:
            self.cuda.in_context(f"~{what}")
        except AssertionError as error:
            self.cuda.complaints.append(str(error))

    def _deserialize(self, runtime: Any, plan: bytes) -> Any:
        self._living(runtime, "Runtime")
        if "deserialize_cuda_engine" in self.fail or plan[:1] != b"\x08":
            return None
        if plan not in _SESSIONS:
            _SESSIONS[plan] = import_onnxruntime().InferenceSession(plan, providers=["CPUExecutionProvider"])
        engine = self._living(self.module.ICudaEngine(), "ICudaEngine")
        engine.__dict__["graph"] = _SESSIONS[plan]
        engine.__dict__["ICudaEngine.num_io_tensors"] = len(_names(engine))
        return engine

    def _nptype(self, dtype: Any) -> Any:
        kinds = self.module.DataType
        return {kinds.UINT8: np.uint8, kinds.FLOAT: np.float32, kinds.HALF: np.float16}[dtype]

    def _mode(self, engine: Any, name: str) -> Any:
        modes = self.module.TensorIOMode
        return modes.INPUT if name == _names(engine)[0] else modes.OUTPUT

    def _dtype(self, engine: Any, name: str) -> Any:
        kinds = self.module.DataType
        if self._mode(engine, name) == self.module.TensorIOMode.INPUT:
            return kinds.UINT8
        return kinds.HALF if name in self.half else kinds.FLOAT

    def _profile_shape(self, engine: Any, name: str, index: int) -> list[Any]:
        return [(self.profiles[index], *_shape(engine, name)[1:])] * 3

    def _create_context(self, engine: Any) -> Any:
        if "create_execution_context" in self.fail:
            return None
        context = self._living(self.module.IExecutionContext(), "IExecutionContext")
        context.__dict__.update(of=engine, profile=0, shape=None, addresses={})
        return context

    def _select(self, context: Any, index: int, stream: int) -> bool:
        self.cuda.later(stream, lambda: None)
        context.__dict__.update(profile=index, shape=None)
        return 0 <= index < len(self.profiles)

    def _set_input_shape(self, context: Any, name: str, shape: tuple[int, ...]) -> bool:
        expected = (self.profiles[context.profile], *_shape(context.of, name)[1:])
        context.__dict__["shape"] = tuple(shape) if tuple(shape) == expected else None
        return tuple(shape) == expected

    def _set_address(self, context: Any, name: str, address: int) -> bool:
        assert name in _names(context.of)
        context.addresses[name] = address
        return address != 0

    def _execute(self, context: Any, stream: int) -> bool:
        self.cuda.in_context("execute_async_v3")
        names = _names(context.of)
        if "execute_async_v3" in self.fail or context.shape is None or not set(names) <= set(context.addresses):
            return False
        self.batches.append(context.shape[0])
        graph, shape, addresses = context.of.graph, context.shape, dict(context.addresses)
        outputs = {name: self._nptype(self._dtype(context.of, name)) for name in names[1:]}
        self.cuda.later(stream, lambda: self._run(graph, shape, addresses, outputs))
        return True

    def _run(self, graph: Any, shape: tuple[int, ...], addresses: dict[str, int], outputs: dict[str, Any]) -> None:
        name = graph.get_inputs()[0].name
        self.cuda.check_range(addresses[name], int(np.prod(shape)))
        pixels = np.frombuffer(ctypes.string_at(addresses[name], int(np.prod(shape))), np.uint8).reshape(shape)
        for output, values in zip(outputs, graph.run(list(outputs), {name: pixels}), strict=True):
            written = values.astype(outputs[output])
            self.cuda.check_range(addresses[output], written.nbytes)
            ctypes.memmove(addresses[output], written.ctypes.data, written.nbytes)


def _names(engine: Any) -> list[str]:
    return [port.name for port in [*engine.graph.get_inputs(), *engine.graph.get_outputs()]]


def _shape(engine: Any, name: str) -> tuple[int, ...]:
    ports = {port.name: port for port in [*engine.graph.get_inputs(), *engine.graph.get_outputs()]}
    return tuple(size if isinstance(size, int) else -1 for size in ports[name].shape)
