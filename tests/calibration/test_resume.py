"""Observing in several sittings."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from pigeon_calibration.int8 import resume
from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.quantize import linear_inputs
from pigeon_calibration.int8.resume import observe_resumably
from pigeon_edge.errors import InputError


def same(a, b):
    return a.keys() == b.keys() and all(
        np.array_equal(getattr(a[tensor], name), getattr(b[tensor], name))
        for tensor in a
        for name in ("photographs", "channel_maxima", "counts", "rows")
    )


def test_two_sittings_see_what_one_sees(encoder, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SAVE_EVERY", 1)
    batches = np.array_split(pixels, 4)

    def torn():
        yield from batches[:3]
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        observe_resumably(encoder, torn(), "set", tmp_path)
    found = observe_resumably(encoder, batches, "set", tmp_path)
    assert same(found, observe(encoder, linear_inputs(encoder), batches))
    assert same(found, observe_resumably(encoder, batches, "set", tmp_path))
    assert len(list(tmp_path.iterdir())) == 1


def test_another_set_or_graph_starts_anew(encoder, pixels, tmp_path):
    observe_resumably(encoder, [pixels[:8]], "one", tmp_path)
    other = observe_resumably(encoder, [pixels[8:]], "another", tmp_path)
    assert same(other, observe(encoder, linear_inputs(encoder), [pixels[8:]]))
    [gain] = [tensor for tensor in encoder.graph.initializer if tensor.name == "layers.0.norm1.weight"]
    gain.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(gain), gain.name))
    louder = observe_resumably(encoder, [pixels[8:]], "another", tmp_path)
    assert louder["layers.0.norm1"].channel_maxima.max() > 1.5 * other["layers.0.norm1"].channel_maxima.max()
    assert len(list(tmp_path.iterdir())) == 3


def test_torn_file_is_named(encoder, pixels, tmp_path):
    observe_resumably(encoder, [pixels], "set", tmp_path)
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"\.safetensors: expected what was observed, .*; remove the file"):
        observe_resumably(encoder, [pixels], "set", tmp_path)
