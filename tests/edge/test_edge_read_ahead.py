"""Pages of a mapped file that are asked for are in memory soon after."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pigeon_edge.system.read_ahead import read_ahead

PAGES = 512


@pytest.fixture
def mapped(tmp_path):
    """Map a file of which no page is in memory: its first address and the mapping."""
    if not sys.platform.startswith("linux"):
        pytest.skip("pages in memory are counted by Linux")
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(np.random.default_rng(0).bytes(PAGES * mmap.PAGESIZE))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    return np.frombuffer(pages, np.uint8), path


def test_pages_asked_for_are_read_without_being_touched(mapped):
    view, path = mapped
    if _in_memory(path) > 0:
        pytest.skip("this file system keeps its pages in memory")
    read_ahead(view.ctypes.data + 5, 64 * mmap.PAGESIZE - 5)
    _wait_until(lambda: _in_memory(path) >= 64)
    assert 64 <= _in_memory(path) < PAGES


def test_what_is_not_mapped_is_no_error():
    read_ahead(0, 1)


def _wait_until(holds, seconds=5.0):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)


def _in_memory(path: Path) -> int:
    """Return how many pages of a file are in memory, as mincore tells of a mapping of its own."""
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    view = np.frombuffer(pages, np.uint8)
    told = np.zeros(PAGES, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    code = libc.mincore(
        ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(len(view)), ctypes.c_void_p(told.ctypes.data)
    )
    assert code == 0, os.strerror(ctypes.get_errno())
    return int((told & 1).sum())
