from __future__ import annotations

import sys
from importlib.metadata import version

import numpy as np
import pytest

from pigeon_edge.answer.encoding import unit
from pigeon_edge.encoders import Engine, open_encoder, open_graph
from pigeon_edge.encoders.onnxruntime import OnnxRuntimeEncoder
from pigeon_edge.encoders.openvino import OpenVinoEncoder
from pigeon_edge.encoders.protocol import label_of
from pigeon_edge.encoders.select import on_processor, reason_on_processor
from pigeon_edge.errors import EngineError, MissingToolError
from pigeon_edge.testing import FakeEncoder

ENGINES = [Engine.ONNXRUNTIME, pytest.param(Engine.OPENVINO, id="openvino")]


@pytest.fixture(params=ENGINES, ids=str)
def engine(request):
    if request.param is Engine.OPENVINO:
        pytest.importorskip("openvino")
    return request.param


def _pixels(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 17])
def test_engines_agree_with_the_fake_for_any_number_of_photographs(tiny, engine, count):
    pixels = _pixels(count)
    found, expected = open_encoder(tiny, engine).encode(pixels), FakeEncoder().encode(pixels)
    assert found.embedding.dtype == found.cell_logits.dtype == np.float32
    np.testing.assert_allclose(found.embedding, expected.embedding, atol=1e-5)
    np.testing.assert_allclose(found.cell_logits, expected.cell_logits, atol=1e-4)


def test_one_encoder_takes_batches_of_changing_size_and_keeps_their_order(tiny, engine):
    encoder, pixels = open_encoder(tiny, engine), _pixels(9)
    whole = encoder.encode(pixels).embedding
    parts = np.concatenate([encoder.encode(pixels[:1]).embedding, encoder.encode(pixels[1:]).embedding])
    np.testing.assert_allclose(whole, parts, atol=1e-6)
    assert not np.allclose(whole[0], whole[1])


def test_an_earlier_encoding_is_not_overwritten_by_a_later_one(tiny, engine):
    encoder = open_encoder(tiny, engine)
    first = encoder.encode(_pixels(2, seed=1))
    kept = first.embedding.copy()
    encoder.encode(_pixels(2, seed=2))
    np.testing.assert_array_equal(first.embedding, kept)


def test_pixels_need_not_lie_in_one_piece(tiny, engine):
    pixels = _pixels(4)[::-1, :, ::-1]
    found = open_encoder(tiny, engine).encode(pixels)
    np.testing.assert_allclose(found.embedding, FakeEncoder().encode(pixels).embedding, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"no graph at all"], ids=["empty", "text"])
def test_a_graph_that_is_none_names_its_engine(tmp_path, engine, content):
    (tmp_path / "a.onnx").write_bytes(content)
    words = {
        Engine.OPENVINO: r"OpenVINO cannot compile it \(.*\); try --engine",
        Engine.ONNXRUNTIME: r"ONNX Runtime cannot",
    }
    with pytest.raises(EngineError, match=rf"a\.onnx: {words[engine]}") as raised:
        open_graph(tmp_path / "a.onnx", engine)
    assert "\n" not in str(raised.value)


def test_a_graph_without_the_logits_is_refused_when_it_is_opened(tmp_path, engine, make_graph):
    (tmp_path / "a.onnx").write_bytes(make_graph(("image_embedding",)))
    with pytest.raises(EngineError, match=r"an encoder has cell_logits, found only pixels, image_embedding; export"):
        open_graph(tmp_path / "a.onnx", engine)


def test_encoders_tell_what_runs_them(tiny, engine):
    name = {Engine.OPENVINO: "OpenVINO", Engine.ONNXRUNTIME: "ONNX Runtime"}[engine]
    installed = version(engine.value)
    assert label_of(open_encoder(tiny, engine)) == f"{name} {installed}"
    assert label_of(FakeEncoder()) == "FakeEncoder"


@pytest.mark.parametrize(
    ("instructions", "installed", "chosen"),
    [
        ("amx_int8", {"openvino", "onnxruntime"}, Engine.OPENVINO),
        ("avx512_vnni", {"openvino", "onnxruntime"}, Engine.OPENVINO),
        ("avx2", {"openvino", "onnxruntime"}, Engine.ONNXRUNTIME),
        ("asimddp", {"openvino", "onnxruntime"}, Engine.ONNXRUNTIME),
        ("avx2", {"openvino"}, Engine.OPENVINO),
        ("amx_int8", {"onnxruntime"}, Engine.ONNXRUNTIME),
        ("amx_int8", set(), Engine.ONNXRUNTIME),
    ],
)
def test_automatic_is_openvino_where_its_products_are_exact(monkeypatch, instructions, installed, chosen):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in installed or None)
    assert on_processor(instructions) is chosen


@pytest.mark.parametrize("instructions", ["avx512_vnni", "avx2"])
def test_what_is_opened_is_what_is_chosen_for_this_processor(tiny, monkeypatch, instructions):
    pytest.importorskip("openvino")
    monkeypatch.setattr("pigeon_edge.encoders.select.int8_instructions", lambda: instructions)
    kinds = {"avx512_vnni": OpenVinoEncoder, "avx2": OnnxRuntimeEncoder}
    assert isinstance(open_encoder(tiny), kinds[instructions])
    assert instructions in reason_on_processor()


@pytest.mark.parametrize(("absent", "words"), [("openvino", "OpenVINO"), ("onnxruntime", "ONNX Runtime")])
def test_an_engine_that_is_not_installed_says_how_to_install_it(tiny, monkeypatch, absent, words):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingToolError, match=rf"needs {words}: pip install {absent}"):
        open_encoder(tiny, Engine(absent))


def test_unit_vectors_have_length_1_and_zero_stays_zero():
    found = unit(np.array([[3, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0]], atol=1e-7)
    assert found.dtype == np.float32
