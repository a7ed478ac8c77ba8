"""A stand-in for ``pycuda.driver`` on a machine without a GPU, which keeps the books that a driver keeps.

It has the names of pycuda that ``encoders/tensorrt/cuda.py`` uses and no others, with the behaviour of pycuda
2026.1, read in its source: memory and streams belong to the context that was current when they were made and end with
their last reference. Work is done when its stream is synchronised and not before. What a real driver would not
forgive is an AssertionError at once, or an entry of ``complaints`` where Python would not hear of it.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np


class Error(Exception):
    pass


class OutOfMemoryError(Error):
    pass


class LogicError(Error):
    pass


class StandInCuda:
    """The books of one GPU. ``install`` puts its module where ``import pycuda.driver`` finds it.

    ``owners`` is how many threads may use it, each with a context of its own: one for each encoder.
    """

    def __init__(self, integrated: bool = False, capability: tuple[int, int] = (8, 7), owners: int = 1) -> None:
        self.integrated, self.capability = integrated, capability
        self.host: dict[int, int] = {}
        self.device: dict[int, int] = {}
        self.streams: dict[int, list[Callable[[], None]]] = {}
        self.retained, self.owners = 0, owners
        self.depths: Counter[int] = Counter()
        self.threads: set[int] = set()
        self.complaints: list[str] = []
        self.allocated = 0
        self.failing: dict[str, Exception] = {}
        self.module = self._module()

    def install(self, monkeypatch: Any) -> StandInCuda:
        package = ModuleType("pycuda")
        package.driver = self.module  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pycuda", package)
        monkeypatch.setitem(sys.modules, "pycuda.driver", self.module)
        monkeypatch.setattr("pigeon_edge.encoders.tensorrt.cuda.has_nvidia_driver", lambda: True)
        return self

    def fail(self, name: str, error: Exception | None = None) -> None:
        """Have the next call of a function raise pycuda's error."""
        self.failing[name] = error or LogicError(f"{name} failed: an illegal memory access was encountered")

    def assert_nothing_left(self) -> None:
        left = {"host": self.host, "device": self.device, "streams": self.streams}
        assert {name: len(found) for name, found in left.items()} == {"host": 0, "device": 0, "streams": 0}
        assert (self.retained, sum(self.depths.values()), self.complaints) == (0, 0, [])

    def in_context(self, name: str) -> None:
        """Check that a call comes from a thread that may make it, while its context is current."""
        if name in self.failing:
            raise self.failing.pop(name)
        self.threads.add(threading.get_ident())
        assert len(self.threads) <= self.owners, f"{name} called in a second thread"
        assert self.depths[threading.get_ident()] == 1, f"{name} called without a current context"

    def check_range(self, address: int, size: int) -> None:
        """Check that a range lies in memory that the GPU sees and that has not been released."""
        seen = self.host if self.integrated else self.device
        assert any(start <= address and address + size <= start + length for start, length in seen.items()), (
            f"{size} bytes at {address:#x} are not in the GPU's memory"
        )

    def later(self, handle: int, work: Callable[[], None]) -> None:
        """Put work into a stream."""
        assert handle in self.streams, "no such stream, or one that was released"
        self.streams[handle].append(work)

    def _module(self) -> Any:
        return SimpleNamespace(
            Error=Error,
            MemoryError=OutOfMemoryError,
            init=lambda: self._plain("init"),
            Device=lambda ordinal: _Device(self, ordinal),
            Context=SimpleNamespace(pop=self._pop),
            Stream=lambda: _Stream(self),
            pagelocked_empty=self._pagelocked_empty,
            mem_alloc=lambda size: _Memory(self, self.device, size, "mem_alloc"),
            memcpy_htod_async=self._htod,
            memcpy_dtoh_async=self._dtoh,
            host_alloc_flags=SimpleNamespace(DEVICEMAP=2, PORTABLE=1, WRITECOMBINED=4),
            device_attribute=SimpleNamespace(INTEGRATED="integrated"),
        )

    def _plain(self, name: str) -> None:
        if name in self.failing:
            raise self.failing.pop(name)

    def _pop(self) -> None:
        self.in_context("pop")
        self.depths[threading.get_ident()] -= 1

    def _pagelocked_empty(self, shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> Any:
        assert order == "C"
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        memory = _HostMemory(self, self.host, size, "pagelocked_empty")
        memory.mapped = mem_flags == 2
        memory.__array_interface__ = {"shape": tuple(shape), "typestr": np.dtype(dtype).str, "version": 3,
                                      "data": (memory.address, False)}  # fmt: skip
        return np.asarray(memory)

    def _htod(self, dest: int, src: Any, stream: Any = None) -> None:
        self.in_context("memcpy_htod_async")
        assert src.flags.c_contiguous
        assert self._pinned(src)
        self.check_range(dest, src.nbytes)
        self.later(stream.handle, lambda: ctypes.memmove(dest, src.ctypes.data, src.nbytes) and None)

    def _dtoh(self, dest: Any, src: int, stream: Any = None) -> None:
        self.in_context("memcpy_dtoh_async")
        assert dest.flags.c_contiguous
        assert self._pinned(dest)
        self.check_range(src, dest.nbytes)
        self.later(stream.handle, lambda: ctypes.memmove(dest.ctypes.data, src, dest.nbytes) and None)

    def _pinned(self, array: Any) -> bool:
        return any(start <= array.ctypes.data < start + length for start, length in self.host.items())


class _Device:
    def __init__(self, cuda: StandInCuda, ordinal: int) -> None:
        cuda._plain("Device")
        assert ordinal == 0
        self._cuda = cuda

    def name(self) -> str:
        return "Orin"

    def compute_capability(self) -> tuple[int, int]:
        return self._cuda.capability

    def get_attribute(self, attribute: str) -> int:
        assert attribute == "integrated"
        return int(self._cuda.integrated)

    def retain_primary_context(self) -> _Context:
        self._cuda._plain("retain_primary_context")
        self._cuda.retained += 1
        return _Context(self._cuda, threading.get_ident())


class _Context:
    def __init__(self, cuda: StandInCuda, thread: int) -> None:
        self._cuda, self._thread = cuda, thread

    def push(self) -> None:
        self._cuda._plain("push")
        assert threading.get_ident() == self._thread
        self._cuda.depths[threading.get_ident()] += 1

    def detach(self) -> None:
        assert threading.get_ident() == self._thread
        self._cuda.retained -= 1
        self._cuda.threads.clear()  # the next context may have another thread


@contextmanager
def _in_a_destructor(cuda: StandInCuda, what: str) -> Any:
    """Python prints what destructors raise and goes on; the books keep it."""
    try:
        yield
    except AssertionError as error:
        cuda.complaints.append(f"{what}: {error}")


class _Stream:
    def __init__(self, cuda: StandInCuda) -> None:
        cuda.in_context("Stream")
        self._cuda, self.handle = cuda, 0x5000 + len(cuda.streams)
        cuda.streams[self.handle] = []

    def synchronize(self) -> None:
        self._cuda.in_context("synchronize")
        work, self._cuda.streams[self.handle] = self._cuda.streams[self.handle], []
        for step in work:
            step()

    def __del__(self) -> None:
        if not hasattr(self, "handle"):
            return
        with _in_a_destructor(self._cuda, "stream"):
            self._cuda.in_context("~Stream")
            assert not self._cuda.streams[self.handle], "released with work in it"
            del self._cuda.streams[self.handle]


class _Memory:
    def __init__(self, cuda: StandInCuda, book: dict[int, int], size: int, name: str) -> None:
        cuda.in_context(name)
        self._cuda, self._book, self._bytes = cuda, book, (ctypes.c_ubyte * size)()
        self.address = ctypes.addressof(self._bytes)
        book[self.address] = size
        cuda.allocated += 1

    def free(self) -> None:
        self._cuda.in_context("free")
        assert self.address in self._book, "released twice"
        assert not any(self._cuda.streams.values()), "released while a stream may use it"
        ctypes.memset(self.address, 0xFF, self._book.pop(self.address))  # what is read after this is wrong

    def __int__(self) -> int:
        assert self.address in self._book, "used after it was released"
        return self.address

    def __del__(self) -> None:
        if self.__dict__.get("address") in self.__dict__.get("_book", {}):
            with _in_a_destructor(self._cuda, "memory"):
                self.free()


class _HostMemory(_Memory):
    mapped = False

    def get_device_pointer(self) -> int:
        self._cuda.in_context("get_device_pointer")
        assert self.mapped, "memory that was not mapped"
        assert self.address in self._book, "used after it was released"
        return self.address
