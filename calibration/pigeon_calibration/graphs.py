"""Encoder graphs: read, refused, and how they want their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.images.preprocess import PreprocessSpec


def load_graph(path: Path) -> onnx.ModelProto:
    """Read an encoder graph with all of its weights. Raises InputError where it is no ONNX graph of ``pixels``."""
    model = load_onnx(path)
    with _reading(path):
        onnx.load_external_data_for_model(model, str(path.parent))
    inputs = [value.name for value in model.graph.input]
    if inputs != ["pixels"]:
        raise InputError(f"{path}: expected an ONNX graph of pixels, found inputs {inputs}; give that of `export onnx`")
    if model.graph.input[0].type.tensor_type.elem_type != onnx.TensorProto.UINT8:
        raise InputError(f"{path}: expected pixels of uint8, found another type; give the graph of `export onnx`")
    return model


def load_onnx(path: Path) -> onnx.ModelProto:
    """Read any ONNX graph, without weights that lie in other files. Raises InputError where it is none."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"{path}: expected an ONNX graph, found {found}; check the path")
    with _reading(path):
        model = onnx.load_model(str(path), format="protobuf", load_external_data=False)  # whatever its name ends in
    if not model.graph.node:
        raise InputError(f"{path}: expected an ONNX graph, found a file without nodes; give the graph of `export onnx`")
    return model


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        reason = _one_line(error)
        raise InputError(f"{path}: expected an ONNX graph, {reason}; give the graph of `export onnx`") from error


def preprocess_spec(model: onnx.ModelProto) -> PreprocessSpec:
    """Return how a graph wants its pixels. Raises InputError where its metadata do not say so."""
    try:
        return PreprocessSpec.from_graph_metadata({entry.key: entry.value for entry in model.metadata_props})
    except UsageError as error:
        raise InputError(f"{error}; export the graph again") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
