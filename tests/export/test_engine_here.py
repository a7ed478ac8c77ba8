"""``export engine`` for the GPU of this machine, from the command to the engine in the cache, on stand-ins.

All of it but TensorRT's compiler and CUDA: a stand-in's engine executes the graph that it is built from.
"""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec

import pytest
from tests.cuda_stand_in import StandInCuda
from tests.executing_engine import ExecutingTensorRt

from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.encoders.select import find_engine
from pigeon_edge.encoders.tensorrt.api import Flavour
from pigeon_edge.encoders.tensorrt.cache import EnginePrecision
from pigeon_edge.errors import EngineError, UsageError
from pigeon_export.cli.engine import Demand, engine
from pigeon_export.engine.candidates import candidate

INT8, FP16 = EnginePrecision.INT8, EnginePrecision.FP16


@pytest.fixture
def toy():
    return open_bundle(TOY_PLANET)


@pytest.fixture
def built(tmp_path, monkeypatch):
    """The precisions that are built, in order, on a machine that has a GPU and TensorRT, and an empty cache."""
    monkeypatch.setenv("PIGEON_EDGE_CACHE", str(tmp_path / "cache"))
    gpu = StandInCuda(integrated=True, owners=9).install(monkeypatch)
    trt = ExecutingTensorRt("10.3.0", gpu)
    trt.module.__spec__ = ModuleSpec("tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt", trt.module)
    requests = []

    def build(request, report):
        requests.append(request.precision)
        request.plan.write_bytes(candidate(request.graph, request.precision))
        report(1.0, "built")

    monkeypatch.setattr("pigeon_export.engine.process.build", build)
    monkeypatch.setattr("pigeon_export.engine.trial.WARM_UP", 0)
    monkeypatch.setattr("pigeon_export.engine.trial.ROUNDS", 2)
    yield requests
    assert trt.alive == 0
    gpu.assert_nothing_left()


def make(demand=Demand.AUTO, flavour=None, log=None, json=False):
    engine(None, TOY_PLANET, demand, flavour, None, None, log, json)


def test_both_are_built_once_and_then_found(toy, built, capsys):
    make()
    assert built == [INT8, FP16]
    first = capsys.readouterr()
    assert "runs on this machine: " in first.out
    _, found = find_engine(toy)
    assert set(found.verdict.trials) == {INT8, FP16}
    make(json=True)
    assert built == [INT8, FP16]
    again = capsys.readouterr()
    assert json.loads(again.out)["verdict"] == found.verdict.to_json()
    assert "to build it anew" in again.err


def test_a_damaged_engine_is_built_anew(toy, built, capsys):
    make(Demand.FP16)
    _, found = find_engine(toy)
    found.plan.write_bytes(b"damaged")
    make(Demand.FP16)
    assert built == [FP16, FP16]
    assert "altered since it was built" in capsys.readouterr().err
    assert find_engine(toy)[1].read() != b"damaged"


def test_another_demand_is_another_build(built):
    make(Demand.FP16)
    make()
    assert built == [FP16, INT8, FP16]


def test_an_engine_that_nothing_would_run_is_not_built(built):
    with pytest.raises(UsageError, match="this machine runs tensorrt engines; others only with --out"):
        make(flavour=Flavour.RTX)
    assert built == []


def test_a_log_that_cannot_be_written_is_noticed_before_anything_is_built(built, tmp_path):
    with pytest.raises(UsageError, match=r"expected the name of a file to write, found a folder"):
        make(log=tmp_path)
    assert built == []


def test_without_a_gpu_it_says_what_needs_none(built, monkeypatch):
    monkeypatch.setattr("pigeon_edge.encoders.tensorrt.cuda.has_nvidia_driver", lambda: False)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(EngineError, match=r"found none.*or compile for a GPU elsewhere: --target CC --out FILE"):
        make()
