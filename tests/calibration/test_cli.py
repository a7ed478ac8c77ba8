"""The command from end to end."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import onnx
import pytest
from typer.testing import CliRunner

from pigeon_calibration.cli import app
from pigeon_calibration.gate import INT8_THRESHOLDS, Thresholds
from pigeon_calibration.int8 import calibrate_int8
from pigeon_calibration.observe import Runner
from pigeon_edge.errors import GateError, InputError, UsageError
from pigeon_edge.files import sha256_of
from pigeon_edge.photo_manifest import PhotoRow, write_manifest


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_folder_becomes_an_int8_graph_and_a_report(graph, photographs, tmp_path, pixels):
    (photographs / "broken.jpg").write_bytes(b"no image")
    out = tmp_path / "out" / "encoder.int8.onnx"
    result = run("int8", graph, "--images", photographs, "--out", out, "--limit", 10)
    assert result.exit_code == 0, result.exception
    assert "int8 passed: embedding cosine p01" in result.stderr.splitlines()[-1]
    assert result.stdout == ""
    assert sorted(path.name for path in out.parent.iterdir()) == ["encoder.int8.onnx", "encoder.int8.report.json"]
    report = json.loads((out.parent / "encoder.int8.report.json").read_text())
    assert report["passed"]
    assert report["calibration_photographs"] + report["gate_photographs"] + len(report["unreadable"]) == 20
    assert report["embedding_cosine_p01"] >= report["thresholds"]["cosine_p01"] == 0.98
    assert report["graph_sha256"] == sha256_of(graph)
    assert report["schema"] == "pigeon-edge/int8-report@2"
    assert "smoothed" in report["method"]
    assert len(report["tensors"]) == 12
    assert set(report["tensors"]["layers.0.norm1"]) == {"scale", "method", "output_error", "largest_factor"}
    assert Runner(onnx.load(out)).encode(pixels).cell_logits.shape == (16, 7)


def test_two_runs_give_the_same_bytes(graph, photographs, tmp_path):
    for name in ("a", "b"):
        assert run("int8", graph, "--images", photographs, "--out", tmp_path / name / "g.onnx").exit_code == 0
    for file in ("g.onnx", "g.report.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_manifest_serves_as_well_as_a_folder(graph, photographs, tmp_path):
    files = sorted(photographs.rglob("*.png"))
    rows = [PhotoRow(path, 1.0 + n, 2.0, f"p{n}") for n, path in enumerate(files)]
    write_manifest(photographs / "manifest.csv", rows)
    report = tmp_path / "r.json"
    result = run(
        "int8", graph, "--images", photographs / "manifest.csv", "--out", tmp_path / "g.int8.onnx", "--report", report
    )
    assert result.exit_code == 0, result.exception
    assert json.loads(report.read_text())["gate_photographs"] > 0


def test_failed_gate_leaves_a_report_and_no_graph(graph, photographs, tmp_path, capsys):
    out, report = tmp_path / "g.int8.onnx", tmp_path / "r.json"
    beyond = Thresholds(cosine_p01=1.1, top1_agreement=0.0)
    with pytest.raises(GateError, match=r"g.int8.onnx: not written") as caught:
        calibrate_int8(graph, photographs, out=out, report=report, limit=5, thresholds=beyond)
    assert caught.value.exit_code == 7
    assert re.search(r"int8 failed: embedding cosine p01 0\.\d+ is under 1.1\n$", capsys.readouterr().err)
    assert not out.exists()
    document = json.loads(report.read_text())
    assert not document["passed"]
    assert len(document["misses"]) == 1
    assert document["gate_photographs"] == 5


@pytest.mark.parametrize(("out", "report"), [("encoder.onnx", "r"), ("o", "encoder.onnx"), ("same", "same")])
def test_no_file_is_written_over(out, report, graph, photographs, tmp_path):
    before = graph.read_bytes()
    with pytest.raises(UsageError, match="must be three files"):
        calibrate_int8(
            graph, photographs, out=tmp_path / out, report=tmp_path / report, limit=5, thresholds=INT8_THRESHOLDS
        )
    assert graph.read_bytes() == before


def test_missing_extra_is_named(graph, photographs, tmp_path):
    code = "import sys; sys.modules['onnx'] = None; from pigeon_edge.cli.main import main; main()"
    arguments = ["calibrate", "int8", graph, "--images", photographs, "--out", tmp_path / "g.int8.onnx"]
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 8
    assert result.stderr.strip().endswith("needs onnx, which is not installed: pip install 'pigeon-edge[calibrate]'")


def test_quantized_graph_is_refused(graph, photographs, tmp_path):
    assert run("int8", graph, "--images", photographs, "--out", tmp_path / "g.int8.onnx").exit_code == 0
    again = run("int8", tmp_path / "g.int8.onnx", "--images", photographs, "--out", tmp_path / "h.onnx")
    assert isinstance(again.exception, InputError)
    assert "found a quantized one" in str(again.exception)


def test_images_are_required(graph, tmp_path):
    result = run("int8", graph, "--out", tmp_path / "g.int8.onnx")
    assert result.exit_code == 2
    assert "--images" in result.stderr


def test_help_loads_nothing_heavy():
    heavy = {"onnx", "onnxruntime", "numpy", "torch"}
    code = f"import sys, pigeon_calibration.cli; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_calibrating_needs_no_torch():
    code = (
        "import sys\nfrom pigeon_calibration import int8, smooth\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
