"""``export half``, ``export lint`` and ``export parity`` as they are typed, on files."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image
from safetensors.numpy import save_file
from typer.testing import CliRunner

from pigeon_calibration.int8.quantize import linear_inputs, quantize
from pigeon_edge.encoders import Engine, open_graph
from pigeon_edge.encoders.select import on_processor
from pigeon_edge.errors import GateError, InputError, UsageError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.cli import app
from pigeon_export.graph.to_onnx import export_folder, to_onnx
from pigeon_export.half.convert import to_half
from pigeon_export.lint.rules import lint


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def model(tmp_path, make_tower, make_heads):
    make_tower().save_pretrained(tmp_path / "model")
    save_file(make_heads(), tmp_path / "model" / "heads.safetensors")
    return tmp_path / "model"


@pytest.fixture
def graph(tmp_path, model):
    export_folder(str(model), tmp_path / "encoder.onnx")
    return tmp_path / "encoder.onnx"


@pytest.fixture
def photographs(tmp_path, make_pixels):
    (tmp_path / "photographs").mkdir()
    for number, pixels in enumerate(make_pixels(10)):
        Image.fromarray(pixels).save(tmp_path / "photographs" / f"{number}.png")
    return tmp_path / "photographs"


def save(model, path):
    onnx.save_model(model, str(path))
    return path


def with_weight(path, name, change):
    model = onnx.load_model(str(path))
    [tensor] = [tensor for tensor in model.graph.initializer if tensor.name == name]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)).astype(np.float32), name))
    return save(model, path)


def test_half_is_written_and_measured(graph, photographs, tmp_path):
    out = tmp_path / "out" / "encoder.fp16.onnx"
    result = run("half", graph, "--out", out, "--images", photographs)
    assert result.exit_code == 0, result.exception
    assert result.stdout.splitlines()[-1].endswith("passed")
    assert "not measured" not in result.stderr
    assert lint(onnx.load_model(str(out))) == []
    assert out.stat().st_size < 0.6 * graph.stat().st_size


def test_half_without_photographs_says_that_it_was_not_measured(graph, tmp_path):
    result = run("half", graph, "--out", tmp_path / "half.onnx")
    assert result.exit_code == 0
    assert result.stderr.endswith("; its parity was not measured, give --images\n")


def test_half_that_overflows_is_not_written(graph, photographs, tmp_path):
    for layer in (0, 1):
        with_weight(graph, f"layers.{layer}.fc2.bias", lambda bias: bias + 60_000)
    result = run("half", graph, "--out", tmp_path / "half.onnx", "--images", photographs)
    assert isinstance(result.exception, GateError)
    assert "embedding cosine p01 0.0000 is under 0.999" in str(result.exception)
    assert not (tmp_path / "half.onnx").exists()


def test_half_names_the_file_that_it_refuses(graph, tmp_path):
    half = save(to_half(onnx.load_model(str(graph))), tmp_path / "half.onnx")
    result = run("half", half, "--out", tmp_path / "again.onnx")
    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith(f"{half}: expected a float32 graph, found one in half precision")


def test_half_does_not_overwrite_its_source(graph):
    result = run("half", graph, "--out", graph)
    assert isinstance(result.exception, UsageError)
    assert "is to be written, and is another of the files too" in str(result.exception)


def test_clean_graphs_lint_silently(graph):
    result = run("lint", graph)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "pigeon-edge: 1 graph keeps the rules\n"


def test_findings_are_lines_on_stdout_and_a_failed_gate(graph, tmp_path):
    broken = onnx.load_model(str(graph))
    broken.opset_import[0].version = 21
    path = save(broken, tmp_path / "broken.onnx")
    result = run("lint", graph, path)
    assert isinstance(result.exception, GateError)
    assert result.stdout == f"{path}: opset 21: TensorRT 10.3 reads at most 20\n"
    assert f"found 1 broken in {path}" in str(result.exception)


def test_findings_as_json_name_every_file(graph, tmp_path):
    broken = onnx.load_model(str(graph))
    broken.opset_import[0].version = 21
    path = save(broken, tmp_path / "broken.onnx")
    findings = json.loads(run("lint", graph, path, "--json").stdout)
    assert findings == {str(graph): [], str(path): ["opset 21: TensorRT 10.3 reads at most 20"]}


def test_weights_in_another_file_are_a_finding_even_where_it_is_missing(graph, tmp_path):
    model = onnx.load_model(str(graph))
    onnx.save_model(model, str(tmp_path / "split.onnx"), save_as_external_data=True, size_threshold=100)
    (split,) = (path for path in tmp_path.iterdir() if path.is_file() and path.suffix != ".onnx")
    split.unlink()
    assert "the weight is in another file" in run("lint", tmp_path / "split.onnx").stdout


@pytest.mark.parametrize(("content", "reason"), [
    (b"no graph at all", "expected an ONNX graph, "),
    (b"", "found a file without nodes"),
    (None, "found no such file"),
])  # fmt: skip
def test_lint_of_what_is_no_graph_says_so(content, reason, tmp_path):
    path = tmp_path / "graph.onnx"
    if content is not None:
        path.write_bytes(content)
    result = run("lint", path)
    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith(f"{path}: ")
    assert reason in str(result.exception)


@pytest.mark.parametrize("name", ["report.json", "report.txtpb", "report.onnxtxt"])
def test_what_is_no_graph_is_none_whatever_its_name_ends_in(tmp_path, name):
    (tmp_path / name).write_text('{"temperature": 1}')
    result = run("lint", tmp_path / name)
    assert isinstance(result.exception, InputError)
    assert "expected an ONNX graph" in str(result.exception)


def test_parity_of_every_precision_with_torch(model, graph, photographs, tmp_path):
    source = onnx.load_model(str(graph))
    half = save(to_half(source), tmp_path / "half.onnx")
    result = run("parity", model, graph, half, "--images", photographs, "--json")
    assert result.exit_code == 0, result.exception
    report = json.loads(result.stdout)
    written = [row for row in report["rows"] if row["engine"] == "as written"]
    assert report["reference"] == str(model)
    assert [(row["graph"], row["precision"], row["passed"]) for row in written] == [
        (str(graph), "fp32", True), (str(half), "fp16", True),
    ]  # fmt: skip
    assert {row["tolerance"]["cosine_p01"] for row in written} == {0.9999, 0.999}
    assert written[0]["parity"]["photographs"] == 10
    engines = [(row["precision"], row["engine"]) for row in report["rows"] if row["engine"] != "as written"]
    openvino = [("fp32", "OpenVINO")] if find_spec("openvino") else []  # no dependency on ARM
    assert engines == [*openvino, ("fp32", "ONNX Runtime")]


def test_parity_of_graphs_alone_and_one_that_falls_short(graph, photographs, tmp_path):
    source = onnx.load_model(str(graph))
    coarse = quantize(source, dict.fromkeys(linear_inputs(source), 1.0))  # three steps for what spans -3..3
    (photographs / "torn.png").write_bytes(b"no image")
    path = save(coarse, tmp_path / "coarse.onnx")
    result = run("parity", graph, path, graph, "--images", photographs)
    assert isinstance(result.exception, GateError)
    assert f"found {path} as written: embedding cosine p01" in str(result.exception)
    header, first, *_ = result.stdout.splitlines()
    assert header.split()[:3] == ["graph", "precision", "engine"]
    assert "is under 0.98" in first
    assert result.stdout.splitlines()[-1].endswith("passed")
    assert "1 photographs cannot be read" in result.stderr


class Saturating:
    """An engine whose sums saturate: the loudest component of every embedding comes out at half its value."""

    def __init__(self, encoder):
        self.label, self._encoder = encoder.label, encoder

    def encode(self, pixels):
        found = self._encoder.encode(pixels)
        embedding = found.embedding.copy()
        embedding[np.arange(len(embedding)), np.abs(embedding).argmax(axis=1)] *= 0.5
        return replace(found, embedding=embedding)


@pytest.mark.parametrize(("saturates", "passes"), [("chosen", False), ("other", True)])
def test_verdict_is_of_the_graph_and_of_the_engine_that_auto_chooses(
    saturates, passes, graph, photographs, monkeypatch
):
    pytest.importorskip("openvino")  # where there is one engine alone, it is chosen
    chosen = on_processor()
    other = Engine.OPENVINO if chosen is Engine.ONNXRUNTIME else Engine.ONNXRUNTIME
    spoiled = chosen if saturates == "chosen" else other

    def opened(path, engine):
        encoder = open_graph(path, engine)
        return Saturating(encoder) if engine is spoiled else encoder

    monkeypatch.setattr("pigeon_export.parity.compare.open_graph", opened)
    result = run("parity", graph, graph, "--images", photographs, "--json")
    rows = {row["engine"]: row for row in json.loads(result.stdout)["rows"]}
    assert rows["as written"]["passed"]
    assert rows["as written"]["parity"]["cosine_min"] == pytest.approx(1)
    near = [row["cosine_to_graph"] for name, row in rows.items() if name != "as written"]
    assert min(near) < 0.99
    assert max(near) > 0.99999
    assert (result.exit_code == 0) is passes
    if passes:
        assert "loses much of" in result.stderr
    else:
        assert "to the graph as written is under 0.9999" in str(result.exception)


def test_parity_sees_a_half_that_overflows(graph, photographs, tmp_path):
    for layer in (0, 1):
        with_weight(graph, f"layers.{layer}.fc2.bias", lambda bias: bias + 60_000)
    half = save(to_half(onnx.load_model(str(graph))), tmp_path / "half.onnx")
    assert isinstance(run("parity", graph, half, "--images", photographs).exception, GateError)


def test_limit_takes_photographs_at_even_distances(graph, photographs):
    report = json.loads(run("parity", graph, graph, "--images", photographs, "--limit", 3, "--json").stdout)
    assert {row["parity"]["photographs"] for row in report["rows"]} == {3}


@pytest.mark.parametrize(("settings", "heads", "reason"), [
    ({"hidden_size": 60}, False, "embeddings of 48 and 11 cells, found 60 and 0"),
    ({}, False, "found 48 and 0"),
    ({"image_size": 40}, True, "found one for 40 px, mean"),
])  # fmt: skip
def test_graph_of_another_model_is_refused(
    settings, heads, reason, model, photographs, tmp_path, make_tower, make_heads
):
    tower = make_tower(**settings)
    on_top = make_heads(tower.config.hidden_size) if heads else None
    other = save(to_onnx(tower, PreprocessSpec(tower.config.image_size), on_top), tmp_path / "other.onnx")
    result = run("parity", model, other, "--images", photographs)
    assert isinstance(result.exception, InputError)
    assert reason in str(result.exception)


def test_graph_without_cells_is_measured_by_its_embedding(photographs, tmp_path, make_tower):
    graph = save(to_onnx(make_tower(), PreprocessSpec(32), None), tmp_path / "tower.onnx")
    [row] = json.loads(run("parity", graph, graph, "--images", photographs, "--json").stdout)["rows"]
    assert row["parity"]["top1_agreement"] is None
    assert row["passed"]
