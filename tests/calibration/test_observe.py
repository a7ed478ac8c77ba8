"""What is read, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from pigeon_calibration.graphs import load_graph, preprocess_spec
from pigeon_calibration.photographs import Photographs, list_photographs, without_copies
from pigeon_calibration.runner import Runner
from pigeon_calibration.sample import Sample
from pigeon_edge.errors import EngineError, InputError
from pigeon_edge.images.preprocess import PreprocessSpec


def test_photographs_are_listed_with_subfolders_in_order(photographs):
    names = [candidate.place_id for candidate in list_photographs(photographs)]
    assert names == sorted(names)
    assert len(names) == 24
    assert names[0] == "a/00.png"


def test_folder_without_photographs_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match=r"expected photographs, found none"):
        list_photographs(tmp_path)


def test_missing_images_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected photographs, found no such file or folder"):
        list_photographs(tmp_path / "nowhere.csv")


def test_unreadable_files_are_counted_and_left_out(photographs):
    (photographs / "a" / "broken.jpg").write_bytes(b"no image")
    paths = [candidate.path for candidate in list_photographs(photographs)]
    source = Photographs(paths, PreprocessSpec(32))
    batches = list(source.batches())
    assert [len(batch) for batch in batches] == [8, 7, 8, 1]
    assert batches[0].shape == (8, 32, 32, 3)
    assert batches[0].dtype == np.uint8
    assert [path.name for path in source.unreadable] == ["broken.jpg"]
    assert len(source.used) == 24
    assert source.batch_count == 4


def test_nothing_but_unreadable_files_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a.jpg: expected photographs, none can be read"):
        list(Photographs([tmp_path / "a.jpg"], PreprocessSpec(32)).batches())


@pytest.mark.parametrize("content", [b"no graph at all", b"", b"\x08"], ids=["text", "empty", "cut"])
def test_file_that_is_no_graph_is_refused(content, tmp_path):
    (tmp_path / "g.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"g.onnx: expected an ONNX graph"):
        load_graph(tmp_path / "g.onnx")


def test_missing_graph_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected an ONNX graph, found no such file; check the path"):
        load_graph(tmp_path / "g.onnx")


def test_graph_of_other_inputs_is_refused(encoder, tmp_path):
    encoder.graph.input[0].name = "pixel_values"
    onnx.save_model(encoder, str(tmp_path / "g.onnx"))
    with pytest.raises(InputError, match=r"expected an ONNX graph of pixels, found inputs \['pixel_values'\]"):
        load_graph(tmp_path / "g.onnx")


def test_graph_without_metadata_is_refused(encoder):
    assert preprocess_spec(encoder) == PreprocessSpec(32)
    del encoder.metadata_props[:]
    with pytest.raises(InputError, match=r"expected a graph made by `pigeon-edge export onnx`"):
        preprocess_spec(encoder)


def test_graph_that_does_not_run_is_an_engine_error(encoder):
    encoder.graph.node[3].op_type = "Nonsense"
    with pytest.raises(EngineError, match=r"expected a graph that ONNX Runtime runs"):
        Runner(encoder)


def test_copies_of_what_is_calibrated_on_judge_nothing(tmp_path):
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    first, copy, other, missing = (tmp_path / name for name in ("a", "b", "c", "missing"))
    kept = without_copies(Sample((first,), (copy, other, missing)))
    assert kept == Sample((first,), (other, missing))
    with pytest.raises(InputError, match="b: expected photographs to judge by, found copies of those to calibrate on"):
        without_copies(Sample((first,), (copy,)))
