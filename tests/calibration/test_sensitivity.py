"""Which linears are handed back, and that it helps."""

from __future__ import annotations

import json

import onnx
import pytest
from onnx import numpy_helper

from pigeon_calibration.gate.parity import measure
from pigeon_calibration.gate.thresholds import Thresholds
from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.calibrate import Choices, calibrate_int8
from pigeon_calibration.int8.prepare import prepare
from pigeon_calibration.int8.quantize import linear_inputs, quantize
from pigeon_calibration.int8.sensitivity import BUDGET, damages, handing_back, shares
from pigeon_export.lint.rules import lint


def with_broken_output(encoder: onnx.ModelProto, layer: str) -> onnx.ModelProto:
    """Give the attention output huge weights for a channel that is always 0: only its int8 steps notice."""
    weights = {tensor.name: tensor for tensor in encoder.graph.initializer}
    first_of_value = 2 * 128
    changes = {f"{layer}.qkv.weight": (..., first_of_value), f"{layer}.qkv.bias": (first_of_value,)}
    for name, place in (changes | {f"{layer}.attention_output.weight": (0,)}).items():
        values = numpy_helper.to_array(weights[name]).copy()
        values[place] = 4000 if "output" in name else 0
        weights[name].CopyFrom(numpy_helper.from_array(values, name))
    return encoder


def test_shares_are_those_of_the_weights(encoder):
    found = shares(encoder)
    assert sum(found.values()) == pytest.approx(1)
    assert found["layers.0.attention_output"] == pytest.approx(1 / 36)
    assert found["layers.2.fc1"] == found["layers.2.fc2"] == pytest.approx(4 / 36)


def test_the_damaged_linear_is_found_and_handing_it_back_helps(encoder, pixels):
    broken = with_broken_output(encoder, "layers.1")
    prepared = prepare(broken, lambda graph: observe(graph, linear_inputs(graph), [pixels]))
    damage = damages(prepared, pixels)
    assert max(damage, key=damage.get) == "layers.1.attention_output"
    [first, *_] = handing_back(damage, shares(broken))
    assert [item.linear for item in first] == ["layers.1.attention_output"]
    assert first[0].damage == damage["layers.1.attention_output"]
    whole = quantize(prepared.graph, prepared.scales)
    mixed = quantize(prepared.graph, prepared.scales, ["layers.1.attention_output"])
    assert 1 - measure(broken, mixed, [pixels]).cosine_min < 0.7 * (1 - measure(broken, whole, [pixels]).cosine_min)
    assert lint(mixed) == []
    assert "layers.1.attention_output.weight" in {tensor.name for tensor in mixed.graph.initializer}


def test_command_hands_back_until_the_gate_passes(encoder, photographs, tmp_path):
    onnx.save_model(with_broken_output(encoder, "layers.1"), str(tmp_path / "g.onnx"))
    report, out = tmp_path / "r.json", tmp_path / "int8.onnx"

    def calibrated(cosine_p01: float) -> dict:
        choices = Choices(12, Thresholds(cosine_p01, 0.0))
        calibrate_int8(tmp_path / "g.onnx", photographs, out=out, report=report, choices=choices)
        return json.loads(report.read_text())

    without = calibrated(0.0)
    assert without["handed_back"] == []
    reached = without["embedding_cosine_p01"]
    found = calibrated(reached + 0.1 * (1 - reached))
    assert found["passed"]
    assert found["embedding_cosine_p01"] > reached
    assert [item["linear"] for item in found["handed_back"]] == ["layers.1.attention_output"]
    assert found["full_precision_share"] == pytest.approx(1 / 36)
    assert "layers.1.attention_output.weight" in {tensor.name for tensor in onnx.load(out).graph.initializer}


def test_what_is_handed_back_grows_by_damage_and_keeps_the_budget():
    damage = {"a": 0.3, "b": 0.2, "c": 0.1, "d": 0.4}
    share = {"a": 0.02, "b": 0.04, "c": 0.02, "d": 0.01}
    found = [[item.linear for item in step] for step in handing_back(damage, share)]
    assert found == [["d"], ["d", "a"], ["d", "a", "c"]]
    assert sum(share[name] for name in found[-1]) <= BUDGET


def test_nothing_that_fits_is_nothing_to_try():
    assert list(handing_back({"a": 1.0}, {"a": 0.5})) == []
