"""Which refinement a bundle is packed with."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from PIL import Image

from pigeon_edge.encoders import Engine, open_graph
from pigeon_edge.errors import UsageError
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.retrieval.gated import GatedRefinement
from pigeon_edge.retrieval.published import PaperRefinement
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_export.pack.refinement import refinement_of

NOWHERE = ("encoder.onnx", "probes")


def test_values_asked_for_replace_those_of_the_mode():
    none = {"top_k": None, "score_km": None}
    assert refinement_of("paper", none, *NOWHERE) == PaperRefinement()
    assert refinement_of("paper", {"top_k": 9, "score_km": None}, *NOWHERE) == PaperRefinement(top_k=9)
    assert refinement_of("gated", none, *NOWHERE) == GatedRefinement()
    asked = {"score_km": 250.0, "temperature": 0.01}
    assert refinement_of("gated", asked, *NOWHERE) == GatedRefinement(score_km=250.0, temperature=0.01)


def test_a_value_that_the_mode_does_not_have_is_refused():
    with pytest.raises(UsageError, match=r"gated refinement has no top_k; it has posterior_mass, max_cells, clusters"):
        refinement_of("gated", {"top_k": 5}, *NOWHERE)
    with pytest.raises(UsageError, match=r"paper refinement has no score_km; it has top_k, temperature, max_move_km"):
        refinement_of("paper", {"score_km": 5.0}, *NOWHERE)


def test_published_temperature_is_divided_by_the_length_of_the_encoders_embeddings(tmp_path, make_tower, make_heads):
    onnx.save_model(to_onnx(make_tower(), PreprocessSpec(32), make_heads()), str(tmp_path / "encoder.onnx"))
    (tmp_path / "probes").mkdir()
    rng = np.random.default_rng(2)
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "probes" / f"{number}.png")
    found = refinement_of("pigeon", {}, tmp_path / "encoder.onnx", tmp_path / "probes")
    pixels = np.stack([read_pixels(tmp_path / "probes" / f"{n}.png", PreprocessSpec(32)) for n in range(3)])
    raw = open_graph(tmp_path / "encoder.onnx", Engine.ONNXRUNTIME).encode(pixels).embedding
    assert (found.top_k, found.max_move_km) == (5, 1000.0)
    assert found.temperature == pytest.approx(1.6 / np.median(np.linalg.norm(raw, axis=1)), rel=1e-5)
    assert found.temperature != pytest.approx(1.6, rel=0.1)
