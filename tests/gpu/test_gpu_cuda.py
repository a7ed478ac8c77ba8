"""``encoders/tensorrt/cuda.py`` through a real driver: contexts, streams, memory of both kinds, all of it returned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pigeon_edge.encoders.tensorrt import cuda

SHAPE = (8, 336, 336, 3)
"""A batch for a CLIP ViT-L/14."""


def test_the_gpu_has_a_name_and_a_compute_capability(gpu):
    assert gpu.name
    assert gpu.capability >= (5, 0)


@pytest.mark.parametrize("integrated", [False, True], ids=["copied", "mapped"])
def test_what_is_uploaded_is_what_the_gpu_has_and_what_it_has_comes_back(gpu, integrated):
    """The mapped memory of a Jetson works on any GPU, which reads it over the bus."""
    from pycuda import driver

    rng = np.random.default_rng(0)
    given = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    device = replace(gpu, integrated=integrated)
    with cuda.primary_context(), cuda.stream() as stream:
        with cuda.buffer(SHAPE, np.uint8, device) as source, cuda.buffer(SHAPE, np.uint8, device) as target:
            source.host[:] = given
            target.host[:] = 0
            source.upload(len(given), stream)
            driver.memcpy_dtod_async(target.address, source.address, given.nbytes, stream)
            target.download(len(given), stream)
            stream.synchronize()
            np.testing.assert_array_equal(target.host, given)
        del source, target


def test_only_the_rows_asked_for_are_moved(gpu):
    with cuda.primary_context(), cuda.stream() as stream:
        with cuda.buffer((4, 16), np.float32, replace(gpu, integrated=False)) as memory:
            memory.host[:] = 1
            memory.upload(4, stream)
            stream.synchronize()
            memory.host[:] = 2
            memory.download(3, stream)
            stream.synchronize()
            assert memory.host[:, 0].tolist() == [1, 1, 1, 2]
        del memory


def test_memory_is_returned_however_often_buffers_are_made(gpu):
    from pycuda import driver

    with cuda.primary_context():
        free = []
        for _ in range(50):
            with cuda.stream(), cuda.buffer((64, 1 << 20), np.uint8, replace(gpu, integrated=False)):
                pass
            free.append(driver.mem_get_info()[0])
        assert min(free[1:]) >= free[0] - (64 << 20)


def test_a_context_lives_beside_torchs_own(gpu, torch_gpu):
    import torch

    before = torch.ones(1000, device=torch_gpu)
    with cuda.primary_context(), cuda.stream() as stream, cuda.buffer((1, 8), np.float32, gpu) as memory:
        memory.upload(1, stream)
    del memory, stream
    assert float((before + 1).sum()) == 2000
