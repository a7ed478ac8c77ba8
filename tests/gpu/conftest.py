"""Tests that need an NVIDIA GPU: ``make gpu`` prepares what they need and runs them; elsewhere they are skipped."""

from __future__ import annotations

import pytest

from pigeon_edge.encoders.tensorrt import cuda
from pigeon_edge.errors import EngineError, MissingToolError


@pytest.fixture(scope="session")
def gpu():
    """Return the first GPU as the runtime knows it."""
    try:
        return cuda.gpu()
    except (EngineError, MissingToolError) as error:
        pytest.skip(f"no GPU for pycuda: {error}")


@pytest.fixture(scope="session")
def torch_gpu():
    """Return torch's GPU."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU; on a machine with one, make gpu")
    return torch.device("cuda")
