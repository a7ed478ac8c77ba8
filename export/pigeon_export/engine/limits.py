"""PURE: how much memory TensorRT may take while it builds.

TensorRT's own limits are all of the device's memory for a layer's workspace, and 75 % of it for a tactic that is tried
(NvInfer.h, release 10.3, MemoryPoolType). On a Jetson, that memory is the processor's too: such a build starves the
system, and the kernel kills something. So both limits are stated, and taken from what is available now.
"""

from __future__ import annotations

from dataclasses import dataclass

from pigeon_edge.errors import EngineError

MIB = 1 << 20

SYSTEM_BYTES = 512 * MIB
"""Left to everything else that runs."""

LIBRARY_BYTES = 768 * MIB
"""For Python, TensorRT's libraries and its kernels; measured with TensorRT-RTX on x86-64, not on a Jetson."""

WEIGHT_COPIES = 4
"""Of the graph: as it was read, as it is in half precision, and two that the builder holds. Measured in the same way:
peaks of 2.0 and 4.8 GiB for ViT-L/14-336, of which the graph is 0.3 GiB in INT8 and 1.1 GiB in FP32."""

LARGEST_POOL_BYTES = 1024 * MIB
"""A pool of more gains nothing: attention of ViT-L/14-336 at batch 8 is 16 heads x 577 x 577 x 8 x 4 bytes = 170 MB."""

SMALLEST_POOL_BYTES = 128 * MIB
"""A pool of less has no room for a layer of such a tower."""


@dataclass(frozen=True)
class MemoryLimits:
    """Of TensorRT's pools: the workspace of a layer, and the memory of a tactic that is tried, in bytes."""

    workspace_bytes: int
    tactic_bytes: int


def memory_limits(available_bytes: int, graph_bytes: int, contiguous_bytes: int | None = None) -> MemoryLimits:
    """Return the limits for a graph of this size, where so much memory is available, both in bytes.

    ``contiguous_bytes`` is what is free of a Jetson's contiguous memory. Raises EngineError with what to do where a
    build cannot be meant to succeed.
    """
    spoken_for = SYSTEM_BYTES + LIBRARY_BYTES + WEIGHT_COPIES * graph_bytes
    pool = (available_bytes - spoken_for) // 2
    if pool < SMALLEST_POOL_BYTES:
        raise EngineError(_too_little(available_bytes, spoken_for + 2 * SMALLEST_POOL_BYTES, contiguous_bytes))
    pool = min(pool, LARGEST_POOL_BYTES)
    return MemoryLimits(pool, pool)


def _too_little(available_bytes: int, needed_bytes: int, contiguous_bytes: int | None) -> str:
    contiguous = (
        ""
        if contiguous_bytes is None
        else f", or boot with cma=512M for the GPU's share (CmaFree {contiguous_bytes // MIB} MiB)"
    )
    return (
        f"expected {needed_bytes // MIB} MiB of free memory to build, found {available_bytes // MIB} MiB; stop the "
        f"desktop (sudo systemctl isolate multi-user.target), add swap{contiguous}"
    )
