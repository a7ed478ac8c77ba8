"""The graph and the photographs that calibration works with: read, refused, run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from pigeon_calibration.sample import Candidate, Sample, candidates_of_folder, candidates_of_rows
from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.encoders.protocol import encoding_of
from pigeon_edge.encoders.without_telemetry import import_onnxruntime
from pigeon_edge.errors import EngineError, InputError, MissingToolError, UsageError
from pigeon_edge.files import sha256_of
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.images.scan import scan
from pigeon_edge.manifest import read_manifest

BATCH_SIZE = 8

ONE_COLOUR = 3
"""An image whose values differ by no more than this in every colour shows nothing but its noise."""


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
        model = onnx.load_model(str(path), load_external_data=False)
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


def list_photographs(images: Path) -> list[Candidate]:
    """Return the photographs of a folder (with its subfolders, sorted) or of a manifest.

    Raises InputError where there are none.
    """
    if not images.exists():
        raise InputError(f"{images}: expected photographs, found no such file or folder; check --images")
    if images.is_dir():
        found = candidates_of_folder(images, scan([images]).photographs)
    else:
        found = candidates_of_rows(read_manifest(images))
    if not found:
        raise InputError(f"{images}: expected photographs, found none; give a folder of images or a manifest")
    return found


def without_copies(chosen: Sample) -> Sample:
    """Return a sample whose photographs to judge by are no copies of those to calibrate on.

    Raises InputError where all of them are.
    """
    seen = {sha256_of(path) for path in chosen.calibration if path.is_file()}
    gate = tuple(path for path in chosen.gate if not path.is_file() or sha256_of(path) not in seen)
    if not gate:
        raise InputError(
            f"{_counted(chosen.gate)}: expected photographs to judge by, found copies of those to calibrate on; add"
            " others"
        )
    return Sample(chosen.calibration, gate)


class Photographs:
    """Photographs as batches (n, S, S, 3) uint8; after a pass, ``used`` and ``unreadable`` say what became of each."""

    def __init__(self, paths: Sequence[Path], spec: PreprocessSpec) -> None:
        self._paths, self._spec = paths, spec
        self.used: list[Path] = []
        self.unreadable: list[Path] = []
        self._last_reason = ""
        self._varied = False

    @property
    def count(self) -> int:
        """The number of photographs, readable or not."""
        return len(self._paths)

    @property
    def batch_count(self) -> int:
        """The number of batches, where no batch is unreadable as a whole."""
        return -(-len(self._paths) // BATCH_SIZE)

    @cached_property
    def sha256(self) -> str:
        """One SHA-256 of the photographs that are there, of their contents in order: names do not count."""
        digests = [sha256_of(path) for path in self._paths if path.is_file()]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def batches(self) -> Iterator[Pixels]:
        """Yield the readable photographs in order.

        Raises InputError at the end where none could be read, or none shows anything.
        """
        self.used, self.unreadable, self._varied = [], [], False
        for start in range(0, len(self._paths), BATCH_SIZE):
            batch = [pixels for path in self._paths[start : start + BATCH_SIZE] for pixels in self._read(path)]
            if batch:
                yield np.stack(batch)
        if not self.used:
            raise InputError(
                f"{_counted(self._paths)}: expected photographs, none can be read; give others, for {self._last_reason}"
            )
        if not self._varied:
            raise InputError(
                f"{_counted(self.used)}: expected photographs, found images of one colour each; give others"
            )

    def first_batch(self) -> Pixels:
        """Return the first photographs (n, S, S, 3) of the pass that has ended."""
        return np.stack([read_pixels(path, self._spec) for path in self.used[:BATCH_SIZE]])

    def _read(self, path: Path) -> Iterator[Pixels]:
        try:
            pixels = read_pixels(path, self._spec)
            self._varied = self._varied or int(np.ptp(pixels, axis=(0, 1)).max()) > ONE_COLOUR
            self.used.append(path)
            yield pixels
        except (InputError, MissingToolError) as error:
            self.unreadable.append(path)
            self._last_reason = str(error)


class Runner:
    """A graph in memory on ONNX Runtime, on the CPU, its Q/DQ pairs computed as written: in float32.

    int8 kernels differ between processors and some saturate; what is judged here is the graph, the same everywhere.
    Raises EngineError where it does not run.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._outputs = [value.name for value in model.graph.output]
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class but this one
            reason = _one_line(error)
            raise EngineError(f"expected a graph that ONNX Runtime runs, {reason}; export it again") from error

    def run(self, outputs: Sequence[str], pixels: Pixels) -> list[Any]:
        """Return the outputs named, for pixels (n, S, S, 3) uint8."""
        return list(self._session.run(list(outputs), {"pixels": np.ascontiguousarray(pixels)}))

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of (n, S, S, 3) uint8; cell_logits are (n, 0) where the graph has no cells."""
        outputs = self.run(self._outputs, pixels)
        without_cells = {"cell_logits": np.empty((len(pixels), 0), np.float32)}
        return encoding_of({**without_cells, **dict(zip(self._outputs, outputs, strict=True))})


def _counted(paths: Sequence[Path]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else str(paths[0])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
