"""The same answers on cores as an Orin has, and where the processor has nothing beyond AVX2.

OpenVINO is not emulated: with AVX2 alone it is not chosen, which is what the tests see. Its kernels do follow
ONEDNN_MAX_CPU_ISA; ONNX Runtime's follow nothing but the processor.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from tests.emulated.emulation import ROOT, haswell, orin_cores

from pigeon_edge.geodesy import haversine_km

pytestmark = pytest.mark.slow

TOY = ROOT / "edge" / "pigeon_edge" / "toy_planet"
GOLDEN = """
import sys
from pathlib import Path
from pigeon_edge.encoders import open_graph
from pigeon_edge.encoders.protocol import label_of
from pigeon_edge.encoders.select import on_processor
from pigeon_edge.encoders.golden import GOLDEN, least_cosine, read_golden
from pigeon_edge.system.instructions import int8_instructions

bundle = Path(sys.argv[1])
encoder = open_graph(bundle / "encoder.int8.onnx")
print(int8_instructions(), on_processor().value, least_cosine(encoder, read_golden(bundle / GOLDEN)))
"""


@pytest.fixture(params=["asimddp", "avx2"])
def machine(request, tmp_path):
    """Return an emulated machine and the int8 instructions that it has."""
    return {"asimddp": orin_cores, "avx2": haswell}[request.param](tmp_path), request.param


def test_golden_probes_hold_and_the_engine_is_chosen_by_what_is_emulated(machine):
    emulated, instructions = machine
    found = emulated.python("-c", GOLDEN, TOY / "toy-planet.pigeon")
    assert found.returncode == 0, found.stderr
    *told, cosine = found.stdout.split()
    assert told == [instructions, "onnxruntime"]
    assert float(cosine) >= 0.99999


def test_photographs_are_located_where_they_are_here(machine):
    emulated, _ = machine
    arguments = ("-m", "pigeon_edge", "locate", TOY / "samples", "--json")
    there = _lat_lng(emulated.python(*arguments))
    command = [sys.executable, *map(str, arguments), "--engine", "onnxruntime"]
    here = _lat_lng(subprocess.run(command, capture_output=True, text=True, check=False))
    assert there.shape == here.shape == (24, 2)
    apart_km = haversine_km(there, here)
    assert apart_km.max() < 5.0
    assert np.sum(apart_km < 0.01) >= 20  # a photograph may fall to a neighbour in the gallery that is as good


def _lat_lng(found):
    assert found.returncode == 0, found.stderr
    places = [json.loads(line)["location"] for line in found.stdout.splitlines()]
    return np.array([(place["lat"], place["lon"]) for place in places])


def test_int8_sums_and_the_gate_are_exact_without_vnni(tmp_path):
    emulated = haswell(tmp_path)
    files = [ROOT / "tests" / "calibration" / f"test_{name}.py" for name in ("exact_products", "engines_exact")]
    found = emulated.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ROOT, *files)
    assert found.returncode == 0, found.stdout[-3000:]
