"""Smoothing: the function stays, the loud channels go."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from tests.loud_channels import Shape, photographs, tower, with_loud_channels, with_loud_neurons, with_loud_tokens

from pigeon_calibration.gate.parity import compare, measure
from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.prepare import Prepared, prepare
from pigeon_calibration.int8.quantize import linear_inputs, quantize
from pigeon_calibration.int8.smooth import smooth, smoothing_factors
from pigeon_calibration.runner import Runner
from pigeon_export.lint.rules import lint

SMALL = Shape(128, layers=3, size_px=32)
SEEN, JUDGED = photographs(16, 32, 1), photographs(16, 32, 2)


def prepared(model: onnx.ModelProto) -> Prepared:
    return prepare(model, lambda graph: observe(graph, linear_inputs(graph), [SEEN]))


def cosine_of_max(model: onnx.ModelProto) -> float:
    """Return what int8 keeps where every range is the maximum and nothing is smoothed."""
    seen = observe(model, linear_inputs(model), [SEEN])
    scales = {tensor: float(found.channel_maxima.max()) / 127 for tensor, found in seen.items()}
    return measure(model, quantize(model, scales), [JUDGED]).cosine_min


def cosine_of_prepared(model: onnx.ModelProto, found: Prepared) -> float:
    return measure(model, quantize(found.graph, found.scales), [JUDGED]).cosine_min


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("spoil", [with_loud_channels, with_loud_neurons, with_loud_tokens])
def test_the_function_stays(activation, spoil):
    model = spoil(tower(Shape(128, layers=2, size_px=32, activation=activation), 1), 100, 3, seed=2)
    before = model.SerializeToString()
    found = prepared(model)
    assert len(found.factors) >= 6
    assert measure(model, found.graph, [JUDGED]).cosine_min > 1 - 1e-6
    assert model.SerializeToString() == before
    onnx.checker.check_model(found.graph, full_check=True)
    assert lint(quantize(found.graph, found.scales)) == []
    assert found.graph.metadata_props == model.metadata_props


@pytest.mark.parametrize("loudness", [30, 100])
def test_loud_channels_cost_nothing(loudness):
    clean = tower(SMALL, 4)
    loud = with_loud_channels(clean, loudness, 2, seed=5)
    assert compare(Runner(clean).encode(JUDGED), Runner(loud).encode(JUDGED)).cosine_min > 1 - 1e-6
    assert cosine_of_max(loud) < 0.99
    assert 1 - cosine_of_prepared(loud, prepared(loud)) < 2 * (1 - cosine_of_max(clean))


@pytest.mark.parametrize("spoil", [with_loud_neurons, with_loud_tokens])
def test_loud_neurons_and_tokens_are_won_back(spoil):
    model = spoil(tower(SMALL, 4), 100, 2, seed=5)
    plain, ours = cosine_of_max(model), cosine_of_prepared(model, prepared(model))
    assert 1 - ours < 0.5 * (1 - plain)
    assert ours > 0.998


def test_loud_channels_are_those_divided_most():
    loud = with_loud_channels(tower(SMALL, 4), 50, 2, seed=5)
    rng = np.random.default_rng(5)
    chosen = rng.choice(128, 2, replace=False)  # the first draw is that of layers.0.norm1
    factors = smoothing_factors(loud, observe(loud, linear_inputs(loud), [SEEN]))["layers.0.norm1"]
    assert set(np.argsort(factors)[-2:]) == set(chosen)
    assert np.median(factors) == pytest.approx(1, abs=0.1)


def test_tensor_with_another_reader_is_left_alone(encoder, pixels):
    """A tensor that something else reads cannot be divided without that noticing."""
    encoder.graph.node.append(onnx.helper.make_node("Identity", ["layers.1.norm2"], ["spy"], "spy"))
    found = smoothing_factors(encoder, observe(encoder, linear_inputs(encoder), [pixels]))
    assert "layers.1.norm2" not in found


def test_nothing_to_divide_changes_nothing(encoder):
    assert smooth(encoder, {}).graph == encoder.graph


@pytest.mark.slow
@pytest.mark.parametrize("loudness", [30, 100])
@pytest.mark.parametrize(("width", "channels", "seed"), [(384, 4, 0), (384, 6, 1), (384, 8, 2), (768, 6, 3)])
def test_clip_like_towers_keep_0998(width, channels, seed, loudness):
    """The measure that matters: ONNX Runtime's MinMax falls to 0.4 to 0.95 here."""
    model = with_loud_channels(tower(Shape(width), seed), loudness, channels, seed=seed + 10)
    seen, judged = photographs(32, 64, seed + 20), photographs(32, 64, seed + 30)
    found = prepare(model, lambda graph: observe(graph, linear_inputs(graph), np.array_split(seen, 4)))
    assert measure(model, quantize(found.graph, found.scales), np.array_split(judged, 4)).cosine_min >= 0.998
