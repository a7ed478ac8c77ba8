"""Asking the kernel for pages of mapped files before they are touched, so that a disk reads them all at once."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt

_WILL_NEED = 3
"""MADV_WILLNEED of Linux and macOS."""


class ReadAhead:
    """Asks for parts of a mapped file, each once: what the kernel drops later is read as it is touched."""

    def __init__(self, parts: int) -> None:
        self._asked = np.zeros(parts, bool)

    def ask(self, parts: npt.NDArray[np.int64], address_and_size: Callable[[int], tuple[int, int]]) -> None:
        """Ask for those of (N,) parts that were not asked for."""
        new = parts[~self._asked[parts]]
        for part in set(new.tolist()):
            read_ahead(*address_and_size(part))
        self._asked[new] = True


def read_ahead(address: int, size: int) -> None:
    """Ask for ``size`` bytes from an address on, and do not wait. Only advice: without it pages come one by one."""
    if not size:
        return
    start = address - address % mmap.PAGESIZE
    madvise = _madvise()
    if madvise:
        madvise(start, address + size - start, _WILL_NEED)


@cache
def _madvise() -> Callable[[int, int, int], int] | None:
    """Return the C library's madvise, None where there is none: Windows."""
    try:
        function = ctypes.PyDLL(None).madvise
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return cast("Callable[[int, int, int], int]", function)
