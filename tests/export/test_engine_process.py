"""A build in a process of its own: what it writes, what it tells, and how its death is told."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import textwrap
from pathlib import Path

import onnx
import pytest

from pigeon_calibration.int8.quantize import linear_inputs, quantize, quantize_weights
from pigeon_edge.encoders.tensorrt.api import Flavour
from pigeon_edge.encoders.tensorrt.cache import EnginePrecision
from pigeon_edge.encoders.tensorrt.key import EngineOptions
from pigeon_edge.errors import EngineError, InputError, MissingToolError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.engine.builder import BuildSettings
from pigeon_export.engine.child import BuildRequest
from pigeon_export.engine.limits import MIB, MemoryLimits
from pigeon_export.engine.process import build
from pigeon_export.graph.dequantized import without_quantization
from pigeon_export.graph.to_onnx import to_onnx

ROOT = Path(__file__).parents[2]
LIMITS = MemoryLimits(256 * MIB, 256 * MIB)


@pytest.fixture
def request_of(tmp_path):
    def make(graph=tmp_path / "graph.onnx", precision=EnginePrecision.FP16):
        settings = BuildSettings(EngineOptions(), LIMITS, tmp_path / "key.timing", None)
        plan, log = tmp_path / "engine.plan", tmp_path / "build.log"
        return BuildRequest(Flavour.TENSORRT, graph, precision, plan, settings, log)

    return make


def scripted(code):
    return (sys.executable, "-c", textwrap.dedent(code))


def ignored(*_):
    pass


def test_a_request_crosses_as_json(request_of):
    request = request_of()
    assert BuildRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_progress_is_passed_on_and_what_libraries_print_is_not(request_of):
    told = []
    build(
        request_of(),
        lambda *say: told.append(say),
        scripted("""
            import json, sys
            assert json.load(sys.stdin)["precision"] == "fp16"
            print("[TRT] hello")
            print("3")
            print('{"fraction": 0.5, "phase": "Timing"}')
        """),
    )
    assert told == [(0.5, "Timing")]


@pytest.mark.parametrize(("code", "kind"), [(6, EngineError), (4, InputError), (8, MissingToolError), (1, EngineError)])
def test_an_error_of_the_build_is_the_same_error_here(request_of, code, kind):
    told = json.dumps({"error": "what is wrong", "exit_code": code})
    with pytest.raises(kind, match=r"^what is wrong$"):
        build(request_of(), ignored, scripted(f"import sys; print({told!r}); sys.exit({code})"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "import os; os.kill(os.getpid(), 9)",
            r"^building graph\.onnx in fp16 was killed, most likely for want of",
        ),
        ("import os; os.kill(os.getpid(), 11)", r"^building graph\.onnx in fp16 died of SIGSEGV in TensorRT"),
        ("raise MemoryError('too much')", r"^building graph\.onnx in fp16 ended with code 1: MemoryError: too much$"),
        ("import os; os._exit(3)", r"^building graph\.onnx in fp16 ended with code 3: it gives no reason$"),
    ],
)
def test_a_death_is_one_line_and_leaves_what_was_there(request_of, code, words):
    request = request_of()
    request.plan.write_bytes(b"old")
    with pytest.raises(EngineError, match=words) as raised:
        build(request, ignored, scripted(code))
    assert "\n" not in str(raised.value)
    assert request.plan.read_bytes() == b"old"


def test_an_interruption_ends_the_build_as_well(request_of, tmp_path):
    def interrupt(fraction, phase):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(
            request_of(),
            interrupt,
            scripted(f"""
                import os, pathlib, time
                pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
                print('{{"fraction": 0.5, "phase": "x"}}', flush=True)
                time.sleep(60)
            """),
        )
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.fixture
def quantized(make_tower, make_heads, make_pixels, tmp_path):
    """A small graph as it ships, quantized."""
    model = to_onnx(make_tower(), PreprocessSpec(32), make_heads())
    onnx.save(quantize(model, dict.fromkeys(linear_inputs(model), 0.05)), tmp_path / "encoder.int8.onnx")
    return tmp_path / "encoder.int8.onnx"


@pytest.fixture
def tensorrt(tmp_path, monkeypatch):
    """Have the child process import a stand-in as ``tensorrt``, which does in ``build_serialized_network`` as told."""

    def install(body):
        code = f"""
            from tests.tensorrt_surfaces import StandIn

            def build(builder, network, config):
                {body}

            made = StandIn("10.3.0", {{"Builder.build_serialized_network": build}})
            pixels = made.module.ITensor()
            pixels.shape = (-1, 32, 32, 3)
            made.behaviours["INetworkDefinition.get_input"] = lambda network, index: pixels
            made.behaviours["OnnxParser.parse"] = lambda parser, graph: (
                __import__("pathlib").Path("parsed.onnx").write_bytes(graph) > 0
            )
            made.behaviours["ITimingCache.serialize"] = lambda cache: b"timings"
            globals().update(vars(made.module))
        """
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules" / "tensorrt.py").write_text(textwrap.dedent(code))
        path = [tmp_path / "modules", ROOT, *(ROOT / part for part in ("edge", "calibration", "training", "export"))]
        monkeypatch.setenv("PYTHONPATH", ":".join(map(str, path)))
        monkeypatch.chdir(tmp_path)

    return install


@pytest.mark.parametrize("precision", EnginePrecision)
def test_the_child_builds_the_graph_in_the_precision_asked_for(request_of, quantized, tensorrt, tmp_path, precision):
    tensorrt("""config.progress_monitor.phase_start("Building", None, 1)
                config.progress_monitor.step_complete("Building", 0)
                return b"plan" """)
    told = []
    build(request_of(quantized, precision), lambda *say: told.append(say))
    assert (tmp_path / "engine.plan").read_bytes() == b"plan"
    assert (tmp_path / "key.timing").read_bytes() == b"timings"
    assert told == [(1.0, "Building")]
    graph = onnx.load(tmp_path / "parsed.onnx")
    assert any(node.op_type == "QuantizeLinear" for node in graph.graph.node) == (precision is EnginePrecision.INT8)
    assert any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in graph.graph.initializer)


def test_the_child_killed_in_tensorrt_harms_nothing(request_of, quantized, tensorrt, tmp_path):
    tensorrt("import os; os.kill(os.getpid(), 9)")
    (tmp_path / "engine.plan").write_bytes(b"old")
    with pytest.raises(EngineError, match="was killed, most likely for want of memory"):
        build(request_of(quantized), ignored)
    assert (tmp_path / "engine.plan").read_bytes() == b"old"
    assert not (tmp_path / "key.timing").exists()


def test_the_log_of_a_build_that_dies_is_there_behind_those_of_others(request_of, quantized, tensorrt, tmp_path):
    tensorrt("import os; os.kill(os.getpid(), 11)")
    (tmp_path / "build.log").write_text("of another build\n")
    with pytest.raises(EngineError, match="died of SIGSEGV"):
        build(request_of(quantized), ignored)
    assert (tmp_path / "build.log").read_text() == "of another build\nencoder.int8.onnx in fp16, TensorRT 10.3.0\n"


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed here")
def test_the_child_without_tensorrt_tells_what_to_install(request_of, quantized):
    with pytest.raises(MissingToolError, match=r"^tensorrt cannot be loaded .*apt install python3-libnvinfer"):
        build(request_of(quantized), ignored)


def test_the_child_refuses_what_is_no_graph_or_not_quantized(request_of, tensorrt, quantized, tmp_path):
    tensorrt("return b'plan'")
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match=r"broken\.onnx: expected an ONNX graph"):
        build(request_of(tmp_path / "broken.onnx"), ignored)
    plain = without_quantization(onnx.load(quantized))
    for model in (plain, quantize_weights(plain)):
        onnx.save(model, tmp_path / "float.onnx")
        with pytest.raises(InputError, match="expected quantized activations for int8, found none; run"):
            build(request_of(tmp_path / "float.onnx", EnginePrecision.INT8), ignored)
        build(request_of(tmp_path / "float.onnx", EnginePrecision.FP16), ignored)
        assert not any("quantize" in node.op_type.lower() for node in onnx.load(tmp_path / "parsed.onnx").graph.node)


def test_the_kernel_is_told_to_take_the_child_first(request_of, quantized, tensorrt, tmp_path):
    tensorrt("""import pathlib
                pathlib.Path("score").write_text(pathlib.Path("/proc/self/oom_score_adj").read_text())
                return b"plan" """)
    build(request_of(quantized), ignored)
    assert (tmp_path / "score").read_text() == "1000\n"
