"""CUDA through pycuda, which no other module knows: the GPU, its context, streams and buffers.

Everything here is made, used and released in one thread, within ``primary_context``; ``owner_thread.py`` has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy.typing as npt

from pigeon_edge.encoders.tensorrt.gpu import Gpu
from pigeon_edge.encoders.tensorrt.owner_thread import let_go
from pigeon_edge.errors import EngineError, MissingToolError
from pigeon_edge.system.machine import has_nvidia_driver

NO_GPU = "expected an NVIDIA GPU, found none: no driver of NVIDIA's is loaded; run on the processor"


def gpu() -> Gpu:
    """Return the first GPU. Raises MissingToolError without pycuda, EngineError without a GPU or its driver."""
    with errors() as driver:
        device = driver.Device(0)
        shares_memory = bool(device.get_attribute(driver.device_attribute.INTEGRATED))
        return Gpu(device.name(), device.compute_capability(), shares_memory)


@contextmanager
def errors() -> Iterator[Any]:
    """Yield pycuda's driver, ready for use; raise its errors as EngineError."""
    driver = _load_driver()
    try:
        driver.init()
        yield driver
    except driver.MemoryError as error:
        raise EngineError(
            f"the GPU's memory is full ({_reason(error)}): stop other programs (on a Jetson the desktop too, "
            "sudo systemctl isolate multi-user.target), or run on the processor"
        ) from error
    except driver.Error as error:
        raise EngineError(
            f"expected a GPU that works, CUDA says: {_reason(error)}; see what pigeon-edge doctor says, or run on the "
            "processor"
        ) from error


def _load_driver() -> Any:
    try:
        from pycuda import driver  # only where an engine runs on a GPU
    except ModuleNotFoundError as error:
        if not has_nvidia_driver():
            raise EngineError(NO_GPU) from error
        raise MissingToolError(
            f"TensorRT engines need pycuda ({_reason(error)}): with CUDA's nvcc on the PATH, pip install pycuda"
        ) from error
    except ImportError as error:
        raise EngineError(
            f"expected a GPU and its driver, found none that pycuda can use ({_reason(error)}); run on the processor"
        ) from error
    return driver


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@contextmanager
def primary_context() -> Iterator[None]:
    """Make the first GPU's primary context, which other libraries in the process share, current in this thread.

    What needs the context must be gone when this ends: pycuda's streams and TensorRT's objects have no ``close`` but
    end with their last reference. So what is within lives in functions of its own, and a failure's frames are emptied.
    """
    with errors() as driver:
        context = driver.Device(0).retain_primary_context()
        try:
            context.push()
            try:
                yield
            except BaseException as error:
                let_go(error)
                raise
            finally:
                driver.Context.pop()
        finally:
            context.detach()


class Stream(Protocol):
    """Work that the GPU does in order; ``handle`` is what TensorRT calls a stream."""

    handle: int

    def synchronize(self) -> None:
        """Wait until it is done."""
        ...


@contextmanager
def stream() -> Iterator[Stream]:
    """Yield a stream; wait for it at the end, so that nothing runs on buffers that are released next."""
    with errors() as driver:
        made: Stream = driver.Stream()
        try:
            yield made
        finally:
            made.synchronize()


class Buffer(Protocol):
    """Memory that the processor sees as the array ``host`` and the GPU at ``address``."""

    host: npt.NDArray[Any]
    address: int

    def upload(self, rows: int, stream: Stream) -> None:
        """Let the GPU see the first rows of ``host``, in the stream's order."""
        ...

    def download(self, rows: int, stream: Stream) -> None:
        """Let the processor see the first rows, once the stream is done."""
        ...

    def free(self) -> None:
        """Release the memory; ``host`` and every view of it are dangling after that."""
        ...


@contextmanager
def buffer(shape: tuple[int, ...], dtype: npt.DTypeLike, device: Gpu) -> Iterator[Buffer]:
    """Yield a buffer as suits the GPU: one memory for both where it shares the processor's, else one for each."""
    with errors() as driver:
        made: Buffer = (_SharedBuffer if device.integrated else _CopiedBuffer)(driver, shape, dtype)
        try:
            yield made
        finally:
            made.free()


class _SharedBuffer:
    """Page-locked memory of the processor, mapped for a GPU that shares it: nothing is copied."""

    def __init__(self, driver: Any, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.host = driver.pagelocked_empty(shape, dtype, mem_flags=driver.host_alloc_flags.DEVICEMAP)
        self.address = int(self.host.base.get_device_pointer())

    def upload(self, rows: int, stream: Stream) -> None:
        """The GPU sees ``host`` itself."""

    def download(self, rows: int, stream: Stream) -> None:
        """The GPU has written to ``host`` itself."""

    def free(self) -> None:
        self.host.base.free()


class _CopiedBuffer:
    """Memory of a discrete GPU, and page-locked memory of the processor, from which copies run in the background."""

    def __init__(self, driver: Any, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._driver = driver
        self.host = driver.pagelocked_empty(shape, dtype)
        self._memory = driver.mem_alloc(self.host.nbytes)
        self.address = int(self._memory)

    def upload(self, rows: int, stream: Stream) -> None:
        self._driver.memcpy_htod_async(self.address, self.host[:rows], stream)

    def download(self, rows: int, stream: Stream) -> None:
        self._driver.memcpy_dtoh_async(self.host[:rows], self.address, stream)

    def free(self) -> None:
        self._memory.free()
        self.host.base.free()
