"""Which engine runs, on stand-ins of CUDA and TensorRT; no GPU has run this."""

from __future__ import annotations

import dataclasses
import gc
import json
import sys
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
from PIL import Image
from tests.cuda_stand_in import StandInCuda
from tests.executing_engine import ExecutingTensorRt
from tests.tensorrt_surfaces import RTX
from typer.testing import CliRunner

from pigeon_edge.bench.engine import engine_of
from pigeon_edge.bundle.format import GRAPH
from pigeon_edge.cli.main import app
from pigeon_edge.cli.options import locator_of
from pigeon_edge.encoders import Choice, Engine, automatic, open_encoder, open_graph
from pigeon_edge.encoders.protocol import label_of
from pigeon_edge.encoders.tensorrt.api import Flavour, installed_flavour
from pigeon_edge.encoders.tensorrt.cache import RECORD, EngineCache, EnginePrecision, Verdict, default_folder
from pigeon_edge.encoders.tensorrt.encoder import TensorRtEncoder
from pigeon_edge.encoders.tensorrt.gpu import Gpu
from pigeon_edge.encoders.tensorrt.key import EngineKey
from pigeon_edge.errors import EngineError, MissingToolError, UsageError
from pigeon_edge.locator import open_locator
from pigeon_edge.testing import FakeEncoder

VERDICT = Verdict(EnginePrecision.INT8, "faster", {})
ORIN = Gpu("Orin", (8, 7), integrated=True)
MODULES = {Flavour.TENSORRT: "tensorrt", Flavour.RTX: "tensorrt_rtx_bindings"}
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PIGEON_EDGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def l4t(monkeypatch):
    """Say what kind of machine this is; no Jetson unless a test says so."""

    def be(release):
        monkeypatch.setattr("pigeon_edge.encoders.select.l4t_branch", lambda: release)

    be(None)
    return be


@pytest.fixture
def gpu(monkeypatch, l4t):
    found = StandInCuda(integrated=True).install(monkeypatch)
    yield found
    gc.collect()
    found.assert_nothing_left()


@pytest.fixture
def trt(gpu, monkeypatch):
    return _install(monkeypatch, ExecutingTensorRt("10.3.0", gpu))


def _install(monkeypatch, trt):
    name = MODULES[trt.api.flavour]
    trt.module.__spec__ = ModuleSpec(name, None)
    monkeypatch.setitem(sys.modules, name, trt.module)
    return trt


def _build(bundle, trt, plan=None, verdict=VERDICT):
    """Store what ``export engine`` would: here an engine is the graph's own bytes."""
    key = EngineKey.of(bundle, trt.api, ORIN, None)
    return EngineCache(default_folder()).store(key, bundle.file(GRAPH).read_bytes() if plan is None else plan, verdict)


def test_automatic_is_tensorrt_where_an_engine_was_built_for_this_machine(tiny, trt):
    _build(tiny, trt)
    assert automatic(tiny) == Choice(Engine.TENSORRT, None)
    expected = FakeEncoder().encode(PIXELS).embedding
    for engine in (Engine.AUTO, Engine.TENSORRT):
        with open_encoder(tiny, engine) as encoder:
            assert isinstance(encoder, TensorRtEncoder)
            np.testing.assert_allclose(encoder.encode(PIXELS).embedding, expected, atol=1e-5)
    with pytest.raises(UsageError, match=r"encoder\.int8\.onnx: expected a bundle for --engine tensorrt"):
        open_graph(tiny.file(GRAPH), Engine.TENSORRT)


def test_tensorrt_rtx_runs_where_it_alone_is_installed(tiny, gpu, monkeypatch):
    for name in MODULES.values():
        monkeypatch.delitem(sys.modules, name, raising=False)
    trt = _install(monkeypatch, ExecutingTensorRt(RTX, gpu))
    _build(tiny, trt)
    assert installed_flavour() is Flavour.RTX
    with open_encoder(tiny) as encoder:
        assert isinstance(encoder, TensorRtEncoder)
        assert label_of(encoder) == f"TensorRT-RTX {RTX}"
        told = engine_of(encoder, tiny)
    assert told == {"name": "tensorrt-rtx", "version": RTX, "precision": "int8"}
    _install(monkeypatch, ExecutingTensorRt("10.3.0", gpu))
    assert installed_flavour() is Flavour.TENSORRT


def test_without_an_engine_automatic_is_silent_and_touches_nothing(tiny, l4t, monkeypatch, capsys):
    for name in ("pycuda", *MODULES.values()):
        monkeypatch.setitem(sys.modules, name, None)
    assert automatic(tiny).hint is None
    assert automatic(tiny).engine in {Engine.OPENVINO, Engine.ONNXRUNTIME}
    locator_of(tiny.path, Engine.AUTO)
    assert capsys.readouterr().err == ""


def test_on_a_jetson_without_an_engine_one_line_says_how_to_build_it(tiny, l4t, capsys):
    l4t("36.4")
    locator = locator_of(tiny.path, Engine.AUTO)
    assert not isinstance(locator.encoder, TensorRtEncoder)
    assert capsys.readouterr().err == (
        "pigeon-edge: not on the GPU: no TensorRT engine of this bundle yet; build one: "
        "pigeon-edge export engine --bundle BUNDLE\n"
    )
    locator_of(tiny.path, Engine.ONNXRUNTIME)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("gpu_of_engine", "version", "words"),
    [
        (Gpu("NVIDIA Thor", (11, 0), integrated=True), "10.3.0", "built for NVIDIA Thor 11.0, this is Orin 8.7"),
        (ORIN, "10.16.1", "built for tensorrt 10.16.1, this is tensorrt 10.3.0"),
    ],
)
def test_an_engine_of_another_machine_does_not_run_and_it_is_said_why(tiny, trt, capsys, gpu_of_engine, version, words):
    api = dataclasses.replace(trt.api, version=version)
    key = EngineKey.of(tiny, api, gpu_of_engine, None)
    EngineCache(default_folder()).store(key, b"", VERDICT)
    with pytest.raises(EngineError, match=rf"does not serve: {words}; build one: pigeon-edge export engine"):
        open_encoder(tiny, Engine.TENSORRT)
    with locator_of(tiny.path, Engine.AUTO) as locator:
        assert not isinstance(locator.encoder, TensorRtEncoder)
    told = capsys.readouterr().err
    assert told.startswith("pigeon-edge: not on the GPU: the engine of ")
    assert words in told
    assert told.count("\n") == 1


def test_what_is_missing_is_said_in_the_order_in_which_it_is_needed(tiny, gpu, trt, monkeypatch):
    with pytest.raises(EngineError, match=r"no engine of graph [0-9a-f]{12} in .*; build one: pigeon-edge export"):
        open_encoder(tiny, Engine.TENSORRT)
    gpu.fail("init", gpu.module.Error("cuInit failed: no CUDA-capable device is detected"))
    with pytest.raises(EngineError, match="expected a GPU that works, CUDA says: cuInit failed"):
        open_encoder(tiny, Engine.TENSORRT)
    gpu.failing.clear()
    with monkeypatch.context() as without_tensorrt:
        without_tensorrt.setattr("pigeon_edge.encoders.tensorrt.api.importlib.import_module", _nothing_is_installed)
        with pytest.raises(MissingToolError, match=r"tensorrt cannot be loaded .*: on JetPack, sudo apt install"):
            open_encoder(tiny, Engine.TENSORRT)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(MissingToolError, match="TensorRT engines need pycuda"):
        open_encoder(tiny, Engine.TENSORRT)
    monkeypatch.setattr("pigeon_edge.encoders.tensorrt.cuda.has_nvidia_driver", lambda: False)
    with pytest.raises(EngineError, match="expected an NVIDIA GPU, found none: no driver of NVIDIA's is loaded"):
        open_encoder(tiny, Engine.TENSORRT)


def _nothing_is_installed(name):
    raise ModuleNotFoundError(f"No module named {name!r}")


def test_without_pycuda_an_engine_that_was_built_is_not_forgotten(tiny, trt, monkeypatch):
    _build(tiny, trt)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    choice = automatic(tiny)
    assert choice.engine is not Engine.TENSORRT
    assert choice.hint.startswith("not on the GPU: TensorRT engines need pycuda")


@pytest.mark.parametrize("engine", [Engine.AUTO, Engine.TENSORRT])
def test_a_damaged_plan_is_an_error_and_no_reason_to_run_elsewhere(tiny, trt, engine):
    built = _build(tiny, trt)
    built.plan.write_bytes(b"cut")
    with pytest.raises(EngineError, match=r"engine\.plan: altered since it was built; build it again"):
        open_encoder(tiny, engine)
    _build(tiny, trt, plan=b"whole, but not of this TensorRT")
    with pytest.raises(EngineError, match=r"TensorRT 10\.3\.0 cannot read the engine"):
        open_encoder(tiny, engine)


def test_a_damaged_record_leaves_the_processor_and_a_hint(tiny, trt):
    (_build(tiny, trt).plan.parent / RECORD).write_text("{}")
    assert "malformed" in automatic(tiny).hint


def test_a_locator_releases_its_encoder_at_the_end_also_after_a_failure(tiny, trt, gpu):
    _build(tiny, trt)
    with open_locator(tiny) as locator:
        assert len(locator.locate(PIXELS)) == 3
        assert gpu.retained == 1
    gpu.assert_nothing_left()
    with pytest.raises(ZeroDivisionError), open_locator(tiny):
        _ = 1 / 0
    assert gpu.retained == 0
    with open_locator(tiny, Engine.ONNXRUNTIME) as locator:
        assert len(locator.locate(PIXELS)) == 3


def test_an_engine_of_another_graph_is_none_of_this_one(tiny, trt):
    key = dataclasses.replace(EngineKey.of(tiny, trt.api, ORIN, None), graph_sha256="ab" * 32)
    EngineCache(default_folder()).store(key, b"", VERDICT)
    assert automatic(tiny).hint is None
    assert automatic(tiny).engine is not Engine.TENSORRT


@pytest.mark.parametrize("precision", EnginePrecision)
def test_bench_tells_the_engine_and_its_precision(tiny, trt, photographs, monkeypatch, tmp_path, precision):
    monkeypatch.setattr("pigeon_edge.cli.bench.WARM_UP_S", 0.01)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # the command sets it
    _build(tiny, trt, verdict=Verdict(precision, "faster", {}))
    files = {"--bundle": tiny.path, "--images": photographs, "--out": tmp_path / "b.json"}
    options = [str(part) for pair in files.items() for part in pair]
    found = CliRunner().invoke(app, ["bench", "--duration", "0.1", *options])
    assert found.exit_code == 0, found.output
    assert f"engine       tensorrt 10.3.0, {precision.value}\n" in found.stdout
    told = json.loads((tmp_path / "b.json").read_text())["engine"]
    assert told == {"name": "tensorrt", "version": "10.3.0", "precision": precision.value}
