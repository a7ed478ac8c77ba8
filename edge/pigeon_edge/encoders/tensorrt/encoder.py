"""The encoder on TensorRT: NVIDIA GPUs, on a Jetson or with TensorRT-RTX on a desktop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.encoders.protocol import INPUT, check_names, encoding_of, outputs_of
from pigeon_edge.encoders.tensorrt import cuda
from pigeon_edge.encoders.tensorrt.api import TensorRt
from pigeon_edge.encoders.tensorrt.cache import REBUILD
from pigeon_edge.encoders.tensorrt.owner_thread import Owner
from pigeon_edge.errors import EngineError, UnfitEngineError
from pigeon_edge.images.preprocess import Pixels

Serve: TypeAlias = Callable[[Callable[[Pixels], Encoding]], None]
Outputs: TypeAlias = dict[str, npt.NDArray[np.float32]]


class TensorRtEncoder:
    """Runs an engine on the first GPU, from any number of threads; to be closed, or used as a context manager.

    ``read`` returns a serialised engine. Raises what it raises, EngineError where CUDA or the GPU fails,
    UnfitEngineError where TensorRT does not take the engine, and MissingToolError without pycuda. An encoder that is
    forgotten is released when it is collected or when Python exits.
    """

    def __init__(self, api: TensorRt, read: Callable[[], bytes]) -> None:
        self._label = api.label
        self._owner: Owner[Pixels, Encoding] = Owner(partial(_on_gpu, api, read))

    @property
    def label(self) -> str:
        """TensorRT or TensorRT-RTX, and its version."""
        return self._label

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of (N, S, S, 3) uint8. Raises EngineError for another S, and once it is closed."""
        return self._owner.ask(pixels)

    def close(self) -> None:
        """Release everything; may be called again."""
        self._owner.close()

    def __enter__(self) -> TensorRtEncoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _on_gpu(api: TensorRt, read: Callable[[], bytes], serve: Serve) -> None:
    with cuda.primary_context():
        _with_engine(api, read, serve)


def _with_engine(api: TensorRt, read: Callable[[], bytes], serve: Serve) -> None:
    engine = _engine_of(api, read())  # whose bytes go before room is made for activations
    names = _tensors(api, engine)
    profiles = _profiles(engine)
    context = _context_of(engine)
    device = cuda.gpu()
    with ExitStack() as stack:
        buffers = {
            name: stack.enter_context(cuda.buffer((max(profiles), *shape), dtype, device))
            for name, (shape, dtype) in {name: _row(api, engine, name) for name in names}.items()
        }
        serve(_Session(context, profiles, buffers, stack.enter_context(cuda.stream())).encode)


def _engine_of(api: TensorRt, plan: bytes) -> Any:
    try:
        runtime = api.module.Runtime(api.module.Logger(api.module.Logger.ERROR))
    except TypeError as error:  # so the bindings tell that the library has returned nothing
        raise EngineError(
            f"{api.label} does not start on this GPU, for the reason that it printed; install the one that the GPU's "
            "driver is made for"
        ) from error
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise UnfitEngineError(
            f"{api.label} cannot read the engine: damaged, or built elsewhere; build it again: {REBUILD}"
        )
    return engine


def _context_of(engine: Any) -> Any:
    context = engine.create_execution_context()
    if context is None:
        raise EngineError(
            "the GPU has no room for the engine's activations, as TensorRT printed; stop other programs (on a Jetson "
            "the desktop too, sudo systemctl isolate multi-user.target)"
        )
    return context


def _tensors(api: TensorRt, engine: Any) -> list[str]:
    """Return the input and all outputs. Raises EngineError where it is no encoder's engine."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == api.module.TensorIOMode.INPUT]
    outputs = [name for name in names if name not in inputs]
    check_names("the engine", inputs, outputs)
    return [INPUT, *outputs]


def _profiles(engine: Any) -> dict[int, int]:
    """Return the index of each profile by the batch that it is built for."""
    count = engine.num_optimization_profiles
    return {engine.get_tensor_profile_shape(INPUT, index)[-1][0]: index for index in range(count)}


def _row(api: TensorRt, engine: Any, name: str) -> tuple[tuple[int, ...], npt.DTypeLike]:
    """Return shape and type of what one photograph has in a tensor."""
    return tuple(engine.get_tensor_shape(name))[1:], api.module.nptype(engine.get_tensor_dtype(name))


def _done(result: Any, what: str) -> Any:
    """Return what TensorRT returned. Raises UnfitEngineError where that is its way to say that it failed."""
    if not result:
        raise UnfitEngineError(
            f"TensorRT cannot {what}, for the reason that it printed; build the engine again: {REBUILD}"
        )
    return result


class _Session:
    """An engine's execution context, and buffers for its largest batch by the tensors' names.

    Each output has one, since TensorRT runs nothing that has nowhere to write, and those that are known are read.
    One context for all profiles, not one for each: each would hold activations for the largest batch, and a camera's
    frames, or the full batches of an archive, hardly ever change the profile.
    """

    def __init__(
        self, context: Any, profiles: Mapping[int, int], buffers: Mapping[str, cuda.Buffer], stream: cuda.Stream
    ) -> None:
        self._context, self._profiles, self._stream = context, profiles, stream
        self._pixels = buffers[INPUT]
        self._buffers = buffers
        self._outputs = {name: buffers[name] for name in outputs_of(buffers)}
        self._batch = 0

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of (N, S, S, 3) uint8."""
        if pixels.shape[1:] != self._pixels.host.shape[1:]:
            expected, found = self._pixels.host.shape[1:], pixels.shape[1:]
            raise EngineError(f"the engine takes pixels of {expected}, found {found}; use the bundle that it is of")
        largest = max(self._profiles)
        with cuda.errors():
            parts = [self._part(pixels[start : start + largest]) for start in range(0, len(pixels), largest)]
        return encoding_of({name: np.concatenate([part[name] for part in parts]) for name in self._outputs})

    def _part(self, pixels: Pixels) -> Outputs:
        """Return the outputs for some photographs by one call, with the smallest batch that holds them.

        Two calls with smaller batches would read the weights twice, which is what small batches spend their time on.
        Photographs do not see each other: what pads a batch may be anything, here what was there before.
        """
        count = len(pixels)
        batch = min(size for size in self._profiles if size >= count)
        if batch != self._batch:
            self._prepare(batch)
        self._pixels.host[:count] = pixels
        self._pixels.upload(batch, self._stream)
        _done(self._context.execute_async_v3(self._stream.handle), "run the engine")
        for buffer in self._outputs.values():
            buffer.download(count, self._stream)
        self._stream.synchronize()
        return {name: buffer.host[:count].astype(np.float32) for name, buffer in self._outputs.items()}

    def _prepare(self, batch: int) -> None:
        """Select the profile of a batch; that forgets the shape of the input."""
        self._batch = 0
        handle = self._stream.handle
        _done(self._context.set_optimization_profile_async(self._profiles[batch], handle), "select a profile")
        shape = (batch, *self._pixels.host.shape[1:])
        _done(self._context.set_input_shape(INPUT, shape), f"take a batch of {batch}")
        for name, buffer in self._buffers.items():
            _done(self._context.set_tensor_address(name, buffer.address), f"use a buffer for {name}")
        self._batch = batch
