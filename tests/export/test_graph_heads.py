"""The task heads of a graph: torch, ONNX, INT8 and the device's units tell the same surroundings."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

from pigeon_calibration.gate import parity as gate
from pigeon_calibration.gate.parity import compare
from pigeon_calibration.gate.thresholds import INT8_THRESHOLDS
from pigeon_calibration.int8 import quantize
from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.prepare import prepare
from pigeon_calibration.int8.report import Evidence, Judged, document
from pigeon_calibration.runner import Runner
from pigeon_edge.answer.environment import environments, settings_of_graph
from pigeon_edge.encoders import Engine, open_graph
from pigeon_edge.errors import InputError
from pigeon_edge.files import write_json
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.graph.to_onnx import export_folder, to_onnx
from pigeon_export.half.tolerances import TOLERANCES
from pigeon_export.lint.rules import lint
from pigeon_export.parity.torch_reference import TorchEncoder
from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.tasks import REGRESSIONS, RegressionScale

SPEC = PreprocessSpec(32)
SCALE = RegressionScale(408.0, (6.3, 3.0, 11.0, None, 4.0, 3.5), (0.4, 1.5, 8.0, None, 0.5, 0.9))
"""Of a training in which nobody knew the range of the temperature."""

OUTPUTS = {"regressions": 5, "climate_logits": 31, "month_logits": 12}


@pytest.fixture
def heads(make_heads):
    """Heads of all tasks, each told by the embedding alone."""
    rng = np.random.default_rng(9)
    sizes = {"regression": 6, "climate": 31, "month": 12}
    weights = {f"{name}.weight": rng.normal(0, 0.3, (size, 48)).astype(np.float32) for name, size in sizes.items()}
    biases = {f"{name}.bias": rng.normal(0, 0.3, size).astype(np.float32) for name, size in sizes.items()}
    return {**make_heads(), **weights, **biases}


@pytest.fixture
def graph(make_tower, heads):
    return to_onnx(make_tower(), SPEC, heads, scale=SCALE)


@pytest.fixture
def int8(graph, make_pixels):
    prepared = prepare(graph, lambda model: observe(model, quantize.linear_inputs(model), [make_pixels(16)]))
    return quantize.quantize(prepared.graph, prepared.scales)


def settings_of(graph):
    found = settings_of_graph({entry.key: entry.value for entry in graph.metadata_props})
    assert found is not None
    return found


def test_graph_gives_the_task_outputs_after_the_two_of_every_graph(graph):
    onnx.checker.check_model(graph, full_check=True)
    assert lint(graph) == []
    widths = {value.name: value.type.tensor_type.shape.dim[1].dim_value for value in graph.graph.output}
    assert list(widths.items()) == [("image_embedding", 48), ("cell_logits", 11), *OUTPUTS.items()]
    names = [node.name for node in graph.graph.node] + [tensor.name for tensor in graph.graph.initializer]
    assert len(set(names)) == len(names)
    assert not set(OUTPUTS) & set(names) - set(OUTPUTS)


def test_torch_onnx_and_engines_agree_on_the_tasks(make_tower, heads, graph, make_pixels, tmp_path):
    pixels = make_pixels(5)
    expected = TorchEncoder(make_tower(), SPEC, heads, scale=SCALE).encode(pixels)
    onnx.save_model(graph, str(tmp_path / "a.onnx"))
    assert {name: values.shape for name, values in expected.tasks.items()} == {k: (5, w) for k, w in OUTPUTS.items()}
    engines = [engine for engine in (Engine.ONNXRUNTIME, Engine.OPENVINO) if pytest.importorskip(engine.value)]
    for encoder in (Runner(graph), *(open_graph(tmp_path / "a.onnx", engine) for engine in engines)):
        found = encoder.encode(pixels)
        for name in OUTPUTS:
            np.testing.assert_allclose(found.tasks[name], expected.tasks[name], atol=2e-4)
        parity = compare(expected, found)
        assert TOLERANCES["fp32"].misses(parity) == []
        assert parity.tasks == {"regressions": pytest.approx(1.0), "climate_logits": 1.0, "month_logits": 1.0}


def test_device_tells_the_units_that_the_training_meant(make_tower, heads, graph, make_pixels):
    pixels = make_pixels(6)
    found = Runner(graph).encode(pixels)
    standard = found.embedding @ heads["regression.weight"].T + heads["regression.bias"]
    expected = SCALE.units(standard)  # (6, 6)
    told = environments(settings_of(graph), found, [50.0] * 6)
    for column, name in enumerate(REGRESSIONS):
        values = [getattr(one, {"population": "population_per_km2"}.get(name, name)) for one in told]
        if name == "temperature_range_c":
            assert values == [None] * 6
        else:
            np.testing.assert_allclose(values, expected[:, column], rtol=1e-3)
    logits = found.embedding @ heads["climate.weight"].T + heads["climate.bias"]
    assert [one.climate.value for one in told] == [CLIMATES[best] for best in logits.argmax(axis=1)]


def test_int8_graph_keeps_the_tasks_in_float32_and_near(graph, int8, make_pixels):
    weights = {tensor.name: tensor.data_type for tensor in int8.graph.initializer}
    assert {weights[f"head.{name}.weight"] for name in ("regression", "climate", "month")} == {onnx.TensorProto.FLOAT}
    assert settings_of(int8) == settings_of(graph)
    assert lint(int8) == []
    full, quantized = (Runner(model).encode(make_pixels(16)) for model in (graph, int8))
    spread = full.tasks["regressions"].std(axis=0)
    off = np.abs(full.tasks["regressions"] - quantized.tasks["regressions"])
    assert off.max() > 0
    assert (off.mean(axis=0) < 0.3 * spread).all()
    parity = gate.measure(graph, int8, [make_pixels(16)[:7], make_pixels(16)[7:]])
    assert parity.tasks == pytest.approx(compare(full, quantized).tasks)
    assert min(parity.tasks.values()) > 0.8
    prepared = prepare(graph, lambda model: observe(model, quantize.linear_inputs(model), [make_pixels(16)]))
    judged = Judged(parity, full, quantized, None, None)
    report = document(judged, INT8_THRESHOLDS, Evidence("a", "b", "c", 1, "d", 0), prepared, [])
    assert report["climate_logits_agreement"] == pytest.approx(parity.tasks["climate_logits"], abs=1e-4)


def test_graph_without_task_heads_has_no_note_of_them(make_tower, make_heads):
    graph = to_onnx(make_tower(), SPEC, make_heads(), scale=SCALE)
    assert [entry.key for entry in graph.metadata_props] == ["pigeon_edge.preprocess"]
    assert [value.name for value in graph.graph.output] == ["image_embedding", "cell_logits"]


def test_heads_that_were_trained_are_all_that_is_told(make_tower, heads):
    some = {name: values for name, values in heads.items() if name.split(".")[0] in ("cells", "climate")}
    graph = to_onnx(make_tower(), SPEC, some)
    assert settings_of(graph).told == ("climate",)
    assert [value.name for value in graph.graph.output][2:] == ["climate_logits"]


def test_regressions_without_a_scale_are_refused(make_tower, heads):
    with pytest.raises(InputError, match=r"expected the scale of the regressions in heads\.json, found none; train"):
        to_onnx(make_tower(), SPEC, heads)


@pytest.mark.parametrize(("name", "size"), [("climate", 31), ("month", 12), ("regression", 6)])
def test_head_of_another_size_is_refused(make_tower, heads, name, size):
    other = {**heads, f"{name}.bias": np.zeros(size + 1, np.float32)}
    with pytest.raises(InputError, match=rf"expected {name}\.weight \({size}, 48\), .* found .* and \({size + 1},\)"):
        to_onnx(make_tower(), SPEC, other, scale=SCALE)


def test_folder_with_a_scale_becomes_a_graph_that_tells(tmp_path, make_tower, heads, make_pixels):
    make_tower().save_pretrained(tmp_path / "model")
    save_file(heads, tmp_path / "model" / "heads.safetensors")
    write_json(tmp_path / "model" / "heads.json", {"scale": vars(SCALE), "cell_ids": None})
    export_folder(str(tmp_path / "model"), tmp_path / "encoder.onnx")
    found = onnx.load(tmp_path / "encoder.onnx")
    assert settings_of(found).told == (
        "elevation_m", "population_per_km2", "temperature_c", "precipitation_mm", "precipitation_range_mm",
        "climate", "month", "season",
    )  # fmt: skip
    expected = TorchEncoder(make_tower(), SPEC, heads, scale=SCALE).encode(make_pixels())
    np.testing.assert_allclose(
        Runner(found).encode(make_pixels()).tasks["regressions"], expected.tasks["regressions"], atol=2e-4
    )


@pytest.mark.parametrize("note", ["{", "{}", '{"scale": {"mean": [1]}}', '{"scale": 7}'])
def test_scale_that_cannot_be_read_is_named(tmp_path, make_tower, heads, note):
    make_tower().save_pretrained(tmp_path / "model")
    save_file(heads, tmp_path / "model" / "heads.safetensors")
    (tmp_path / "model" / "heads.json").write_text(note)
    with pytest.raises(InputError, match=r"heads\.json: expected the scale of the regressions"):
        export_folder(str(tmp_path / "model"), tmp_path / "encoder.onnx")
