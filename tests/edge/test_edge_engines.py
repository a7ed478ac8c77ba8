from __future__ import annotations

import dataclasses
import json
import math
import stat
import sys
from types import SimpleNamespace

import pytest

from pigeon_edge.bundle.format import GRAPH, TWIN
from pigeon_edge.encoders.tensorrt.api import Flavour, TensorRt, load_tensorrt
from pigeon_edge.encoders.tensorrt.cache import EngineCache, EnginePrecision, Latency, Trial, Verdict, default_folder
from pigeon_edge.encoders.tensorrt.gpu import Gpu
from pigeon_edge.encoders.tensorrt.key import EngineKey, EngineOptions
from pigeon_edge.errors import EngineError, MissingToolError, UsageError

ORIN = EngineKey("a1" * 32, "tensorrt", "10.3.0", "Orin", "8.7", "36.4", EngineOptions())
VERDICT = Verdict(
    EnginePrecision.INT8,
    "faster at every batch size",
    {
        EnginePrecision.INT8: Trial({1: Latency(4.9, 0.02), 8: Latency(30.5, 0.1)}, 0.998),
        EnginePrecision.FP16: Trial({1: Latency(5.7, 0.03), 8: Latency(39.0, 0.2)}, 0.9999),
    },
)


def changed(**fields):
    return dataclasses.replace(ORIN, **fields)


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "cache")


def test_a_key_read_from_its_json_is_the_same(tmp_path):
    assert EngineKey.from_json(json.loads(json.dumps(ORIN.to_json()))) == ORIN
    with pytest.raises(UsageError, match="EngineKey: expected the keys"):
        EngineKey.from_json({**ORIN.to_json(), "colour": "red"})


def test_the_key_here_is_of_the_graphs_the_library_and_the_machine():
    api, gpu = TensorRt(None, Flavour.TENSORRT, "10.3.0"), Gpu("Orin", (8, 7), integrated=True)
    alone = SimpleNamespace(files={GRAPH: (1, "a1" * 32)})
    assert EngineKey.of(alone, api, gpu, "36.4") == ORIN
    with_twin = SimpleNamespace(files={**alone.files, TWIN: (4, "b2" * 32)})
    assert EngineKey.of(with_twin, api, gpu, "36.4") == changed(twin_sha256="b2" * 32)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"graph_sha256": "b2" * 32}, "built for graph a1a1a1a1a1a1, this is graph b2b2b2b2b2b2"),
        ({"version": "10.13.3.9"}, "built for tensorrt 10.3.0, this is tensorrt 10.13.3.9"),
        ({"flavour": "tensorrt-rtx"}, "built for tensorrt 10.3.0, this is tensorrt-rtx 10.3.0"),
        ({"gpu_name": "Thor", "capability": "11.0"}, "built for Orin 8.7, this is Thor 11.0"),
        ({"l4t": "36.5"}, "built for L4T 36.4, this is L4T 36.5"),
        ({"l4t": None}, "built for L4T 36.4, this is no Jetson"),
        ({"twin_sha256": "c3" * 32}, "built for no full-precision graph, this is full-precision graph c3c3c3c3c3c3"),
        (
            {"options": EngineOptions((1,), 5)},
            "built for batches 1, 4, 8 at optimisation level 3, this is batches 1 at optimisation level 5",
        ),
    ],
)
def test_whatever_differs_is_told_and_gives_another_digest(fields, words):
    assert ORIN.differences(changed(**fields)) == [words]
    assert changed(**fields).digest != ORIN.digest


def test_nothing_differs_from_itself():
    assert ORIN.differences(changed()) == []
    assert len(ORIN.digest) == 64


def test_what_is_stored_is_found_whole(cache):
    stored = cache.store(ORIN, b"plan", VERDICT)
    found = cache.find(ORIN)
    assert found == stored
    assert found.read() == b"plan"
    assert found.precision is EnginePrecision.INT8
    assert found.verdict.trials[EnginePrecision.FP16].latency[8] == Latency(39.0, 0.2)
    assert found.plan == cache.folder / ORIN.graph_sha256[:16] / ORIN.digest[:16] / "engine.plan"
    assert stat.S_IMODE(found.plan.parent.stat().st_mode) == 0o700


def test_an_engine_that_gave_nan_is_null_in_json():
    trial = Trial({}, math.nan)
    assert json.loads(json.dumps(trial.to_json(), allow_nan=False)) == {"latency": {}, "cosine": None}
    assert math.isnan(Trial.from_json(trial.to_json()).cosine)


def test_a_new_engine_takes_the_place_of_the_old_one(cache):
    cache.store(ORIN, b"old", VERDICT)
    cache.store(ORIN, b"new", VERDICT)
    assert cache.find(ORIN).read() == b"new"
    assert len(list(cache.folder.rglob("engine.plan"))) == 1


def test_an_empty_cache_names_the_command_that_builds(cache):
    with pytest.raises(EngineError, match=r"no engine of graph a1a1a1a1a1a1 in .*: pigeon-edge export engine --bundle"):
        cache.find(ORIN)


def test_an_engine_of_another_machine_is_told_and_not_used(cache):
    cache.store(changed(gpu_name="Thor", capability="11.0", l4t="38.4"), b"plan", VERDICT)
    words = r"built for Thor 11\.0, this is Orin 8\.7; built for L4T 38\.4, this is L4T 36\.4; build one: pigeon-edge"
    with pytest.raises(EngineError, match=words):
        cache.find(ORIN)


def test_of_another_graph_nothing_is_said(cache):
    cache.store(changed(graph_sha256="b2" * 32), b"plan", VERDICT)
    with pytest.raises(EngineError, match="no engine of graph a1a1"):
        cache.find(ORIN)


def test_an_altered_plan_is_refused(cache):
    cache.store(ORIN, b"plan", VERDICT).plan.write_bytes(b"other")
    with pytest.raises(EngineError, match="altered since it was built; build it again"):
        cache.find(ORIN).read()
    cache.find(ORIN).plan.unlink()
    with pytest.raises(EngineError, match="expected an engine, No such file"):
        cache.find(ORIN).read()


@pytest.mark.parametrize(
    "record", ["{", "[]", '{"schema": "pigeon-edge/engine@2"}', '{"schema": "pigeon-edge/engine@1"}']
)
def test_a_malformed_record_is_told(cache, record):
    stored = cache.store(ORIN, b"plan", VERDICT)
    stored.plan.with_name("engine.json").write_text(record)
    with pytest.raises(EngineError, match=r"engine\.json: malformed .*; remove .* and build it again"):
        cache.find(ORIN)


def test_where_the_cache_is(tmp_path, monkeypatch):
    assert default_folder({"PIGEON_EDGE_CACHE": "/c", "XDG_CACHE_HOME": "/x"}).as_posix() == "/c/engines"
    assert default_folder({"XDG_CACHE_HOME": "/x"}).as_posix() == "/x/pigeon-edge/engines"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder({}) == tmp_path / ".cache" / "pigeon-edge" / "engines"


def test_a_capability_is_written_as_nvidia_does():
    assert Gpu("Orin", (8, 7), integrated=True).capability_label == "8.7"
    assert Gpu("Thor", (11, 0), integrated=True).capability_label == "11.0"


class Absent:
    """An import hook under which no TensorRT is installed."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith("tensorrt"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("flavour", "advice"),
    [(Flavour.TENSORRT, "apt install python3-libnvinfer"), (Flavour.RTX, r"pip install 'pigeon-edge\[rtx\]'")],
)
def test_a_missing_tensorrt_names_what_to_install(monkeypatch, flavour, advice):
    for name in ("tensorrt", "tensorrt_rtx_bindings"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("sys.meta_path", [Absent()])
    with pytest.raises(MissingToolError, match=rf"^{flavour.value} cannot be loaded \(No module named.*{advice}"):
        load_tensorrt(flavour)


def test_only_rtx_builds_for_another_gpu_than_the_one_at_hand():
    known = SimpleNamespace(__members__={"NONE": 0, "SM86": 86, "SM120": 120})
    rtx = TensorRt(SimpleNamespace(ComputeCapability=known), Flavour.RTX, "1.7")
    config = SimpleNamespace(set_compute_capability=lambda capability, index: setattr(config, "aimed", capability))
    rtx.aim(config, "12.0")
    assert (config.aimed, config.num_compute_capabilities) == (120, 1)
    with pytest.raises(
        UsageError, match=r"^TensorRT-RTX 1\.7 builds for compute capabilities 8\.6, 12\.0, not for 8\.7$"
    ):
        rtx.aim(config, "8.7")
    with pytest.raises(EngineError, match=r"^TensorRT 10\.3\.0 builds for the GPU at hand only"):
        TensorRt(None, Flavour.TENSORRT, "10.3.0").aim(config, "8.7")
