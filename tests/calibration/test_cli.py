"""The command from end to end."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image
from typer.testing import CliRunner

from pigeon_calibration.cli import app
from pigeon_calibration.gate.thresholds import INT8_THRESHOLDS, Thresholds
from pigeon_calibration.int8 import resume
from pigeon_calibration.int8.calibrate import Choices, calibrate_int8
from pigeon_calibration.photographs import Photographs
from pigeon_calibration.runner import Runner
from pigeon_edge.errors import GateError, InputError, UsageError
from pigeon_edge.files import sha256_of
from pigeon_edge.manifest import PhotoRow, write_manifest


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_folder_becomes_an_int8_graph_and_a_report(graph, photographs, tmp_path, pixels):
    (photographs / "broken.jpg").write_bytes(b"no image")
    out = tmp_path / "out" / "encoder.int8.onnx"
    result = run("int8", graph, "--images", photographs, "--out", out, "--limit", 10)
    assert result.exit_code == 0, result.exception
    few, passed, wrote = result.stderr.splitlines()
    assert "to judge by are few: " in few
    assert "int8 passed: embedding cosine p01" in passed
    assert wrote.startswith(f"pigeon-edge: wrote {out}, ")
    assert result.stdout.splitlines()[0].split()[0] == "photographs"
    assert sorted(path.name for path in out.parent.iterdir()) == ["encoder.int8.onnx", "encoder.int8.report.json"]
    report = json.loads((out.parent / "encoder.int8.report.json").read_text())
    assert report["passed"]
    assert report["calibration_photographs"] + report["gate_photographs"] + len(report["unreadable"]) == 20
    assert report["embedding_cosine_p01"] >= report["thresholds"]["cosine_p01"] == 0.98
    assert report["graph_sha256"] == sha256_of(graph)
    assert report["int8_sha256"] == sha256_of(out)
    assert report["schema"] == "pigeon-edge/int8-report@3"
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


def test_report_tells_kilometres_where_cells_and_places_are_known(graph, photographs, tmp_path):
    files = sorted(photographs.rglob("*.png"))
    write_manifest(photographs / "manifest.csv", [PhotoRow(p, 1.0 + n, 2.0, f"p{n}") for n, p in enumerate(files)])
    (tmp_path / "cells").mkdir()
    np.save(tmp_path / "cells" / "centroid_lat_lng.npy", np.column_stack([np.arange(7) * 4.0 + 1, np.full(7, 2.0)]))
    report = tmp_path / "r.json"
    arguments = ("--images", photographs / "manifest.csv", "--out", tmp_path / "o.onnx", "--report", report)
    result = run("int8", graph, *arguments, "--cells", tmp_path / "cells")
    assert result.exit_code == 0, result.exception
    document = json.loads(report.read_text())
    assert document["moved"]["median_km"] == 0
    assert list(document["percent_within_km"]["int8"]) == ["1", "25", "200", "750", "2500"]
    assert document["percent_within_km"]["float32"]["2500"] > document["percent_within_km"]["float32"]["25"]
    assert "within 750 km" in result.stdout
    assert "same nearest neighbours" in result.stdout


def test_cells_of_another_graph_are_refused(graph, photographs, tmp_path):
    np.save(tmp_path / "centroid_lat_lng.npy", np.zeros((9, 2)))
    result = run("int8", graph, "--images", photographs, "--out", tmp_path / "o.onnx", "--cells", tmp_path)
    assert isinstance(result.exception, InputError)
    assert "expected (7, 2) coordinates, as the graph has cells, found (9, 2)" in str(result.exception)


def test_interrupted_observing_goes_on_and_a_second_run_reads_what_was_seen(graph, photographs, tmp_path, monkeypatch):
    arguments = ("int8", graph, "--images", photographs, "--out", tmp_path / "a.onnx", "--cache", tmp_path / "cache")
    monkeypatch.setattr(resume, "SAVE_EVERY", 1)
    batches, ran = Photographs.batches, []

    def interrupted(self):
        for number, batch in enumerate(batches(self)):
            if number == 1:
                raise KeyboardInterrupt
            yield batch

    run_graph = Runner.run
    monkeypatch.setattr(Runner, "run", lambda self, *rest: ran.append(1) or run_graph(self, *rest))
    monkeypatch.setattr(Photographs, "batches", interrupted)
    choices = Choices(256, INT8_THRESHOLDS, cache=tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        calibrate_int8(graph, photographs, out=tmp_path / "a.onnx", report=tmp_path / "a.json", choices=choices)
    assert len(list((tmp_path / "cache").iterdir())) == len(ran) == 1
    monkeypatch.setattr(Photographs, "batches", batches)
    assert run(*arguments).exit_code == 0
    whole = len(ran)
    assert run(*arguments[:5], tmp_path / "b.onnx", *arguments[6:]).exit_code == 0
    assert len(ran) - whole == 2 * 2  # the gate's two batches through both graphs; nothing is observed again
    assert run("int8", graph, "--images", photographs, "--out", tmp_path / "c.onnx").exit_code == 0
    assert len({(tmp_path / f"{name}.onnx").read_bytes() for name in "abc"}) == 1


@pytest.mark.parametrize(("spoil", "words"), [
    ("half", "expected a float32 graph, found weights in half precision"),
    ("pieces", "expected LayerNormalization, found none"),
    ("colour", "expected photographs, found images of one colour each"),
])  # fmt: skip
def test_bad_inputs_have_their_message(spoil, words, encoder, photographs, tmp_path):
    if spoil == "half":
        values = numpy_helper.to_array(encoder.graph.initializer[0]).astype(np.float16)
        encoder.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, encoder.graph.initializer[0].name))
    for node in encoder.graph.node if spoil == "pieces" else ():
        node.op_type = "Identity" if node.op_type == "LayerNormalization" else node.op_type
    for number, path in enumerate(photographs.rglob("*.png") if spoil == "colour" else ()):
        Image.new("RGB", (40, 40), (number, 90, 200)).save(path)
    onnx.save_model(encoder, str(tmp_path / "g.onnx"))
    result = run("int8", tmp_path / "g.onnx", "--images", photographs, "--out", tmp_path / "o.onnx")
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)


@pytest.mark.parametrize(("manifest", "words"), [
    ("lat,lng\n1,2\n", "photos.csv:2: expected path, lat and lng, found {'lat': '1', 'lng': '2'}; mend the row"),
    ("path,lat,lng\n,1,2\n", "photos.csv:2: expected path, lat and lng, found {'path': '',"),
    ("path,lat,lng\n", "photos.csv: expected photographs, found none; give a folder of images or a manifest"),
    ("path,lat,lng\n" + "".join(f"{n}.jpg,{n},2\n" for n in range(1, 9)), "none can be read; give others, for"),
])  # fmt: skip
def test_manifest_without_photographs_is_refused(manifest, words, graph, tmp_path):
    (tmp_path / "photos.csv").write_text(manifest)
    result = run("int8", graph, "--images", tmp_path / "photos.csv", "--out", tmp_path / "o.onnx")
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)


@pytest.mark.parametrize(("name", "words"), [
    ("empty", "expected photographs, found none; their names end in"),
    ("nowhere", "expected photographs, found no such file or folder; check --images"),
    ("unreadable", "expected photographs, none can be read; give others, for"),
])  # fmt: skip
def test_folder_without_photographs_is_refused(name, words, graph, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "unreadable").mkdir()
    for number in range(4):
        (tmp_path / "unreadable" / f"{number}.jpg").write_bytes(b"no image %d" % number)
    result = run("int8", graph, "--images", tmp_path / name, "--out", tmp_path / "o.onnx")
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)
    assert not (tmp_path / "o.onnx").exists()


@pytest.mark.parametrize(("spoil", "words"), [
    ("input", "expected an ONNX graph of pixels, found inputs ['image']; give that of `export onnx`"),
    ("type", "expected pixels of uint8, found another type; give the graph of `export onnx`"),
    ("names", "expected linears named layers.N.qkv, attention_output, fc1 and fc2, found none"),
    ("metadata", "found no metadata of it; export the graph again"),
    ("missing", "expected an ONNX graph, found no such file; check the path"),
])  # fmt: skip
def test_foreign_graph_is_refused_with_its_name(spoil, words, encoder, photographs, tmp_path):
    path, pixels = tmp_path / "foreign.onnx", encoder.graph.input[0]
    if spoil == "input":
        pixels.name = "image"
    if spoil == "type":
        pixels.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    if spoil == "metadata":
        del encoder.metadata_props[:]
    for node in encoder.graph.node if spoil == "names" else ():
        node.name = node.name.replace("layers", "blocks")
    if spoil != "missing":
        onnx.save_model(encoder, str(path))
    result = run("int8", path, "--images", photographs, "--out", tmp_path / "o.onnx")
    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith(f"{path}: ")
    assert words in str(result.exception)


def test_failed_gate_leaves_a_report_and_no_graph(graph, photographs, tmp_path, capsys):
    out, report = tmp_path / "g.int8.onnx", tmp_path / "r.json"
    beyond = Thresholds(cosine_p01=1.1, top1_agreement=0.0)
    with pytest.raises(GateError, match=r"g.int8.onnx was not written") as caught:
        calibrate_int8(graph, photographs, out=out, report=report, choices=Choices(5, beyond))
    assert caught.value.exit_code == 7
    assert re.search(r"int8 failed: embedding cosine p01 0\.\d+ is under 1.1\n$", capsys.readouterr().err)
    assert not out.exists()
    unverified = tmp_path / "g.int8.unverified.onnx"
    assert json.loads(report.read_text())["int8_sha256"] == sha256_of(unverified)
    marks = {entry.key: entry.value for entry in onnx.load(unverified).metadata_props}
    assert marks["pigeon_edge.int8_gate"] == "unverified"
    document = json.loads(report.read_text())
    assert not document["passed"]
    assert len(document["misses"]) == 1
    assert document["gate_photographs"] == 5
    assert 0 < document["full_precision_share"] <= 0.05  # it tried what it may
    worst = document["handed_back"][0]
    assert re.fullmatch(r"layers\.\d\.attention_output", worst["linear"])  # the only ones that fit into the budget
    assert worst["damage"] > 0


def test_a_run_that_passes_clears_away_what_fell_short_before_and_one_that_fails_keeps_what_passed(
    graph, photographs, tmp_path
):
    out, unverified = tmp_path / "g.onnx", tmp_path / "g.unverified.onnx"
    beyond = Choices(5, Thresholds(cosine_p01=1.1, top1_agreement=0.0))
    unverified.touch()
    assert run("int8", graph, "--images", photographs, "--out", out).exit_code == 0
    assert not unverified.exists()
    with pytest.raises(GateError, match=r"g\.onnx is of an earlier run: int8 fell short"):
        calibrate_int8(graph, photographs, out=out, report=tmp_path / "r.json", choices=beyond)
    assert out.exists()
    assert unverified.exists()


@pytest.mark.parametrize("options", [("--out", "file/g.onnx"), ("--out", "g.onnx", "--cache", "file/cache")])
def test_what_cannot_be_written_is_noticed_before_any_work(graph, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    result = run("int8", graph, "--images", tmp_path / "none", *options)
    assert isinstance(result.exception, UsageError)
    assert "cannot be written" in str(result.exception)


@pytest.mark.parametrize(("out", "report"), [("encoder.onnx", "r"), ("o", "encoder.onnx"), ("same", "same")])
def test_no_file_is_written_over(out, report, graph, photographs, tmp_path):
    before = graph.read_bytes()
    with pytest.raises(UsageError, match="is to be written, and is another of the files too"):
        calibrate_int8(
            graph, photographs, out=tmp_path / out, report=tmp_path / report, choices=Choices(5, INT8_THRESHOLDS)
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
        "import sys\nfrom pigeon_calibration.int8 import calibrate, smooth\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
