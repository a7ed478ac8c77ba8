"""The bundle that ships, built into an engine on this GPU, answers as on the processor."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.encoders import Engine, open_encoder
from pigeon_edge.encoders.golden import GOLDEN, LEAST_COSINE, least_cosine, read_golden
from pigeon_edge.errors import MissingToolError


@pytest.fixture(scope="module")
def engine(gpu, tmp_path_factory):
    """Build the engine into a cache of its own; return the bundle's encoder on it."""
    from pigeon_edge.encoders.tensorrt.api import installed_flavour

    try:
        installed_flavour()
    except MissingToolError as error:
        pytest.skip(f"no TensorRT: {error}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIGEON_EDGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        command = [sys.executable, "-m", "pigeon_edge", "export", "engine", "--bundle", str(TOY_PLANET)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert found.returncode == 0, found.stderr
        with open_encoder(open_bundle(TOY_PLANET), Engine.TENSORRT) as encoder:
            yield encoder


def test_golden_probes_hold_on_the_gpu(engine):
    probes = read_golden(open_bundle(TOY_PLANET).file(GOLDEN))
    assert least_cosine(engine, probes) >= LEAST_COSINE


@pytest.mark.parametrize("count", [1, 3, 8, 11])
def test_any_number_of_photographs_is_encoded_as_one_by_one(engine, count):
    pixels = np.random.default_rng(count).integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
    together = engine.encode(pixels).embedding
    alone = np.concatenate([engine.encode(pixels[row : row + 1]).embedding for row in range(count)])
    np.testing.assert_allclose(together, alone, rtol=0.02, atol=0.02 * np.abs(alone).max())
