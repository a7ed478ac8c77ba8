"""What runs on this processor gives what the graph says as it is written, int8 towers with loud channels too.

Towers of random weights multiply rounding errors: two exact computations of one int8 graph, ONNX Runtime's in float32
with and without its fusions, lie up to 0.0003 apart. So the bound is 0.9999, or what int8 itself keeps of the tower.
"""

from __future__ import annotations

import onnx
import pytest
from tests.loud_channels import Shape, photographs, tower, with_loud_channels, with_loud_neurons, with_loud_tokens

from pigeon_calibration.gate.parity import cosine_per_row
from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.prepare import prepare
from pigeon_calibration.int8.quantize import linear_inputs, quantize
from pigeon_calibration.runner import Runner
from pigeon_edge.encoders import Engine, open_graph
from pigeon_edge.encoders.select import on_processor

SHAPE = Shape(128, layers=6, size_px=64)
SEEN, JUDGED = photographs(16, 64, 1), photographs(16, 64, 2)


@pytest.fixture(scope="module", params=[None, with_loud_channels, with_loud_neurons, with_loud_tokens])
def graph(request, tmp_path_factory):
    model = tower(SHAPE, 4)
    if request.param:
        model = request.param(model, 100, 3, seed=5)
    found = prepare(model, lambda full: observe(full, linear_inputs(full), [SEEN]))
    path = tmp_path_factory.mktemp("graph") / "encoder.int8.onnx"
    onnx.save(quantize(found.graph, found.scales), str(path))
    return path, Runner(model).encode(JUDGED).embedding


@pytest.mark.parametrize("engine", sorted({on_processor(), Engine.ONNXRUNTIME}), ids=lambda engine: engine.value)
def test_the_engine_of_this_processor_and_onnx_runtime_everywhere_lose_no_more_than_int8_did(graph, engine):
    path, full = graph
    exact = Runner(onnx.load(str(path))).encode(JUDGED).embedding
    kept = cosine_per_row(exact, open_graph(path, engine).encode(JUDGED).embedding).min()
    assert kept >= min(0.9999, cosine_per_row(full, exact).min())
