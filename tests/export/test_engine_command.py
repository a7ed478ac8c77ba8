"""``pigeon-edge export engine`` as a user starts it, on a machine without a GPU; and the verdict that it prints."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.encoders.tensorrt.cache import BuiltEngine, EnginePrecision, Latency, Trial, Verdict
from pigeon_edge.encoders.tensorrt.key import EngineKey, EngineOptions
from pigeon_edge.files import sha256_of
from pigeon_edge.system.machine import has_nvidia_driver
from pigeon_export.cli.engine import table

INT8, FP16 = EnginePrecision.INT8, EnginePrecision.FP16
RTX = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx_bindings") is None, reason="TensorRT-RTX is published for x86-64 only"
)


@pytest.fixture
def export_engine(tmp_path):
    """Run the command in a process of its own, with an empty cache."""

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "pigeon_edge", "export", "engine", *map(os.fspath, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PIGEON_EDGE_CACHE": str(tmp_path / "cache"), "COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["graph.onnx"], 2, "name a file with --out"),
        (["--target", "8.6"], 2, "name a file with --out"),
        (["--out", "x.plan"], 2, "--precision int8 or fp16"),
        (
            ["none.onnx", "--out", "x.plan", "--precision", "fp16"],
            4,
            "none.onnx: expected an ONNX graph, found no such",
        ),
        (["--bundle", "none.pigeon"], 5, "none.pigeon: expected a bundle"),
    ],
)
def test_what_cannot_be_meant_is_one_line(export_engine, tmp_path, arguments, code, words):
    found = export_engine(*arguments)
    assert (found.returncode, found.stdout) == (code, "")
    assert words in found.stderr.splitlines()[-1]
    assert not (tmp_path / "cache" / "engines").exists()


@pytest.mark.skipif(has_nvidia_driver(), reason="a driver of NVIDIA's is loaded here")
def test_without_a_gpu_it_says_what_needs_none(export_engine):
    found = export_engine("--bundle", TOY_PLANET)
    assert found.returncode == 6
    assert found.stderr.count("\n") == 1
    assert "no driver of NVIDIA's is loaded" in found.stderr
    assert "--target CC --out FILE" in found.stderr


@RTX
def test_an_rtx_engine_is_written_for_a_stated_gpu_and_said_to_be_untested(export_engine, tmp_path):
    found = export_engine("--target", "8.6", "--precision", "int8", "--out", "toy.plan", "--json", "--log", "build.log")
    assert found.returncode == 0, found.stderr
    assert found.stderr.splitlines()[-1].endswith("int8 for compute capability 8.6; it was neither timed nor tested")
    plan = tmp_path / "toy.plan"
    assert json.loads(found.stdout) == {
        "plan": "toy.plan", "precision": "int8", "target": "8.6", "sha256": sha256_of(plan), "tested": False,
    }  # fmt: skip
    assert not (tmp_path / "cache" / "engines").exists()
    assert "Layers:" in (tmp_path / "build.log").read_text()


@RTX
def test_a_gpu_that_rtx_does_not_know_is_refused(export_engine, tmp_path):
    found = export_engine("--target", "8.7", "--precision", "int8", "--out", "toy.plan")
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1].endswith(
        "builds for compute capabilities 7.5, 8.0, 8.6, 8.9, 12.0, 12.1, not for 8.7"
    )
    assert not (tmp_path / "toy.plan").exists()


def test_the_verdict_is_a_table_and_a_sentence():
    trials = {
        INT8: Trial({1: Latency(4.925, 0.1), 8: Latency(30.0, 0.1)}, 0.99861),
        FP16: Trial({1: Latency(5.68, 0.1), 8: Latency(39.0, 0.1)}, 0.99999),
    }
    verdict = Verdict(INT8, "int8 is faster than fp16 at batch 1, 8, and passes the self-test", trials)
    key = EngineKey("a1" * 32, "tensorrt", "10.3.0", "Orin", "8.7", "36.4", EngineOptions((1, 8)))
    told = table(BuiltEngine(Path("engine.plan"), key, verdict, "00", "2026-01-01T00:00:00+00:00"))
    rows = [line.split() for line in told.splitlines()]
    assert rows[0] == ["precision", "cosine", "batch", "1", "ms", "batch", "8", "ms"]
    assert rows[1] == ["int8", "0.9986", "4.92", "30.00"]
    assert rows[2] == ["fp16", "1.0000", "5.68", "39.00"]
    assert told.splitlines()[3] == f"int8 runs on this machine: {verdict.reason}"
