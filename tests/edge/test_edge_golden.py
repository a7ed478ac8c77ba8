from __future__ import annotations

import json
from importlib.metadata import version

import numpy as np
import pytest
from safetensors.numpy import save_file

from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.encoders import Encoding, Engine, open_graph
from pigeon_edge.encoders.golden import GOLDEN, LEAST_COSINE, Golden, least_cosine, read_golden
from pigeon_edge.encoders.select import EXACT_ON_OPENVINO, on_processor
from pigeon_edge.errors import BundleError
from pigeon_edge.system.instructions import int8_instructions
from pigeon_edge.testing import FakeEncoder


class Altered:
    """An encoder that sees other pixels than it is given, or gives other outputs."""

    def __init__(self, encoder, pixels=lambda p: p, logits=lambda v: v):
        self.encoder, self.pixels, self.logits = encoder, pixels, logits

    def encode(self, pixels):
        found = self.encoder.encode(np.ascontiguousarray(self.pixels(pixels)))
        return Encoding(found.embedding, self.logits(found.cell_logits))


@pytest.fixture(scope="module")
def golden():
    return read_golden(TOY_PLANET / GOLDEN)


@pytest.fixture(scope="module")
def toy():
    return open_graph(TOY_PLANET / "encoder.int8.onnx", Engine.ONNXRUNTIME)


def _least_of_onnx_runtime() -> float:
    """Return how near ONNX Runtime has to be to its version 1.32, whose probes these are: older ones add otherwise."""
    major, minor = (int(number) for number in version("onnxruntime").split(".")[:2])
    return 0.999999 if (major, minor) >= (1, 30) else 0.99999


@pytest.mark.parametrize(
    ("engine", "least"), [(Engine.ONNXRUNTIME, _least_of_onnx_runtime()), (Engine.OPENVINO, 0.9999)]
)
def test_each_engine_passes_on_the_bundle_that_ships_or_is_not_chosen_here(golden, engine, least):
    pytest.importorskip(engine.value)
    found = least_cosine(open_graph(TOY_PLANET / "encoder.int8.onnx", engine), golden)
    assert LEAST_COSINE < found <= 1 + 1e-9
    may_saturate = engine is Engine.OPENVINO and int8_instructions() not in EXACT_ON_OPENVINO
    assert least < found or (may_saturate and on_processor() is not engine)


def test_the_engine_that_is_chosen_here_gives_what_the_graph_says(golden):
    assert least_cosine(open_graph(TOY_PLANET / "encoder.int8.onnx"), golden) > 0.9999


@pytest.mark.parametrize("engine", [Engine.ONNXRUNTIME, Engine.OPENVINO])
def test_the_batch_that_a_photograph_comes_in_moves_its_embedding_by_less_than_a_hundred_thousandth(golden, engine):
    pytest.importorskip(engine.value)
    encoder = open_graph(TOY_PLANET / "encoder.int8.onnx", engine)
    together = encoder.encode(golden.pixels).embedding
    alone = np.concatenate([encoder.encode(pixels[None]).embedding for pixels in golden.pixels])
    assert np.abs(together - alone).max() < 1e-5 * np.abs(together).max()


@pytest.mark.parametrize("pixels", [lambda p: p[..., ::-1], lambda p: p[::-1], lambda p: p[:, ::-1], np.zeros_like],
                         ids=["channels swapped", "photographs exchanged", "upside down", "black"])  # fmt: skip
def test_what_an_engine_can_get_wrong_fails(golden, toy, pixels):
    assert least_cosine(Altered(toy, pixels), golden) < LEAST_COSINE


def test_a_wrong_head_fails_although_the_embedding_is_right_and_a_common_offset_does_not(golden, toy):
    assert least_cosine(Altered(toy, logits=lambda v: v[:, ::-1]), golden) < LEAST_COSINE
    assert least_cosine(Altered(toy, logits=lambda v: v + 100), golden) > 0.9999


def test_the_cosine_is_of_the_worst_probe():
    pixels = np.zeros((2, 1, 1, 3), np.uint8)
    pixels[0, ..., 0] = pixels[1, ..., 1] = 255
    right = FakeEncoder().encode(pixels)
    turned = right.embedding.copy()
    turned[1] = [0.6, 0.8, 0]
    assert least_cosine(FakeEncoder(), Golden(pixels, Encoding(turned, right.cell_logits))) == pytest.approx(0.8)


def test_nan_never_passes(golden, toy):
    assert not least_cosine(Altered(toy, logits=lambda v: v * np.nan), golden) >= LEAST_COSINE


def test_a_single_geocell_has_no_cosine_to_miss_and_nan_still_fails():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    given = FakeEncoder().encode(pixels)
    golden = Golden(pixels, Encoding(given.embedding, given.cell_logits[:, :1]))
    one = Altered(FakeEncoder(), logits=lambda v: v[:, :1] + 3)
    assert least_cosine(one, golden) == pytest.approx(1.0)
    assert least_cosine(Altered(FakeEncoder(), lambda p: p[..., ::-1], lambda v: v[:, :1]), golden) < 1
    assert np.isnan(least_cosine(Altered(FakeEncoder(), logits=lambda v: v[:, :1] * np.nan), golden))
    assert least_cosine(FakeEncoder(), golden) < LEAST_COSINE  # three geocells where one was packed


def test_golden_probes_are_read_as_safetensors_writes_them(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {"pixels": rng.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)}
    for name, width in (("image_embedding", 5), ("cell_logits", 7), ("climate_logits", 2)):
        tensors[name] = rng.normal(size=(3, width)).astype(np.float32)
    save_file(tensors, tmp_path / GOLDEN, metadata={"made": "by a test"})
    found = read_golden(tmp_path / GOLDEN)
    np.testing.assert_array_equal(found.pixels, tensors["pixels"])
    np.testing.assert_array_equal(found.encoding.embedding, tensors["image_embedding"])
    np.testing.assert_array_equal(found.encoding.cell_logits, tensors["cell_logits"])
    np.testing.assert_array_equal(found.encoding.tasks["climate_logits"], tensors["climate_logits"])


def test_no_probes_are_refused(tmp_path):
    tensors = {"image_embedding": np.zeros((0, 5), np.float32), "cell_logits": np.zeros((0, 7), np.float32)}
    save_file({"pixels": np.zeros((0, 4, 4, 3), np.uint8), **tensors}, tmp_path / GOLDEN)
    with pytest.raises(BundleError, match=rf"{GOLDEN}: expected golden probes, found none; copy or pack"):
        read_golden(tmp_path / GOLDEN)


def _file(header, body=b""):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 40,
        _file([1, 2]),
        _file({"pixels": 3}),
        _file({"pixels": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"00"),
        _file({"pixels": {"dtype": "U8", "shape": [7], "data_offsets": [0, 2]}}, b"00"),
        _file({"pixels": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}, b"00"),
    ],
    ids=["empty", "noise", "list", "number", "type", "shape", "no outputs"],
)
def test_a_file_that_is_none_is_an_error_of_one_line(tmp_path, content):
    (tmp_path / GOLDEN).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{GOLDEN}: expected golden probes, .*; copy or pack") as raised:
        read_golden(tmp_path / GOLDEN)
    assert "\n" not in str(raised.value)
