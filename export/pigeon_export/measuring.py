"""``export parity`` and the proof of ``export half``: a reference and what was made of it, on the same photographs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from pigeon_calibration.acceptance import Parity
from pigeon_calibration.gate import compare, encode_with
from pigeon_calibration.observe import Photographs, Runner, list_photographs, load_graph, preprocess_spec
from pigeon_edge.cli.console import progress, say
from pigeon_edge.encoders.openvino import OpenVinoEncoder
from pigeon_edge.encoders.protocol import OUTPUTS, Encoder, Encoding
from pigeon_edge.errors import GateError, InputError
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_export.half_rounding import with_written_rounding
from pigeon_export.precision import TOLERANCES, precision_of

OPENVINO = "OpenVINO"
SCHEMA = "pigeon-edge/parity@1"


@dataclass(frozen=True)
class Row:
    """How near a graph on an engine is to the reference, and what of it falls short of the precision's tolerance."""

    graph: str
    engine: str
    precision: str
    parity: Parity
    misses: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What a reference and graphs showed of each other on photographs, of which some could not be read."""

    reference: str
    rows: tuple[Row, ...]
    unreadable: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        rows = [
            {**asdict(row), "tolerance": asdict(TOLERANCES[row.precision]), "passed": not row.misses}
            for row in self.rows
        ]
        return {"schema": SCHEMA, "reference": self.reference, "rows": rows, "unreadable": self.unreadable}

    def check(self) -> None:
        """Raise GateError where a row falls short."""
        short = [f"{row.graph} on {row.engine}: {'; '.join(row.misses)}" for row in self.rows if row.misses]
        if short:
            raise GateError(
                f"expected graphs as near to {self.reference} as their precision allows, found {'; '.join(short)}"
            )


def measure_graphs(reference: str, graphs: Sequence[Path], images: Path, limit: int) -> Report:
    """Return how near graphs are to a reference: a model in transformers' format, or a graph (``.onnx``).

    Up to ``limit`` photographs are taken at even distances. Raises InputError where a file cannot be read or a graph is
    not of this model, EngineError where one does not run.
    """
    encoder, spec = _open_reference(reference)
    photographs = Photographs(_spread(images, limit), spec)
    expected = _encode(encoder, photographs, reference)
    rows = [row for path in graphs for row in _rows(path, load_graph(path), spec, photographs, expected)]
    return Report(reference, tuple(rows), tuple(str(path) for path in photographs.unreadable))


def measure_half(source: Path, model: onnx.ModelProto, half: onnx.ModelProto, images: Path, limit: int) -> Report:
    """Return how near a graph in half precision is to its source. Raises as ``measure_graphs``."""
    photographs = Photographs(_spread(images, limit), preprocess_spec(model))
    expected = _encode(Runner(model), photographs, "the source")
    found = _encode(Runner(with_written_rounding(half)), photographs, "half precision")
    row = _row("half precision", "ONNX Runtime", precision_of(half), expected, found)
    return Report(str(source), (row,), tuple(str(path) for path in photographs.unreadable))


def table(report: Report) -> str:
    """Return the report for people."""
    header = ("graph", "precision", "engine", "cosine min", "p01", "median", "top-1", "verdict")
    lines = [header, *(_cells(row) for row in report.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    found = row.parity
    cosines = (f"{value:.6f}" for value in (found.cosine_min, found.cosine_p01, found.cosine_median))
    top1 = "-" if found.top1_agreement is None else f"{found.top1_agreement:.4f}"
    return (row.graph, row.precision, row.engine, *cosines, top1, "; ".join(row.misses) or "passed")


def _open_reference(reference: str) -> tuple[Encoder, PreprocessSpec]:
    if reference.endswith(".onnx"):
        model = load_graph(Path(reference))
        return Runner(with_written_rounding(model)), preprocess_spec(model)
    from pigeon_export.parity import open_reference  # torch, which graphs alone do not need

    return open_reference(reference)


def _spread(images: Path, limit: int) -> list[Path]:
    paths = [candidate.path for candidate in list_photographs(images)]
    return [paths[number * len(paths) // limit] for number in range(limit)] if len(paths) > limit else paths


def _rows(
    path: Path, model: onnx.ModelProto, spec: PreprocessSpec, photographs: Photographs, expected: Encoding
) -> Iterator[Row]:
    precision = precision_of(model)
    _check_same_model(path, model, spec, expected)
    for engine, encoder in _engines(path, model):
        found = _encode(encoder, photographs, f"{path.name} on {engine}")
        yield _row(str(path), engine, precision, expected, found)


def _engines(path: Path, model: onnx.ModelProto) -> Iterator[tuple[str, Encoder]]:
    """Yield the engines that tell something of a graph: OpenVINO computes half precision in float32."""
    written = with_written_rounding(model)
    yield "ONNX Runtime", Runner(written)
    encodes = set(OUTPUTS) <= {value.name for value in model.graph.output}
    if importlib.util.find_spec("openvino") and encodes and written is model:
        yield OPENVINO, OpenVinoEncoder(path)


def _check_same_model(path: Path, model: onnx.ModelProto, spec: PreprocessSpec, expected: Encoding) -> None:
    own = preprocess_spec(model)
    if own != spec:
        raise InputError(
            f"{path}: expected a graph of the reference, for {_words(spec)}, found one for {_words(own)}; give its own"
        )
    widths = {value.name: value.type.tensor_type.shape.dim[-1].dim_value for value in model.graph.output}
    found = widths.get("image_embedding", 0), widths.get("cell_logits", 0)
    wanted = expected.embedding.shape[1], expected.cell_logits.shape[1]
    if found != wanted:
        raise InputError(
            f"{path}: expected a graph of the reference, embeddings of {wanted[0]} and {wanted[1]} cells, found "
            f"{found[0]} and {found[1]}; give another"
        )


def _words(spec: PreprocessSpec) -> str:
    return f"{spec.size_px} px, mean {spec.mean} and deviation {spec.std}"


def _row(graph: str, engine: str, precision: str, expected: Encoding, found: Encoding) -> Row:
    parity = compare(expected, found)
    return Row(graph, engine, precision, parity, tuple(TOLERANCES[precision].misses(parity)))


def _encode(encoder: Encoder, photographs: Photographs, name: str) -> Encoding:
    return encode_with(encoder, progress(photographs.batches(), photographs.batch_count, f"batches by {name}"))


def say_engines(report: Report) -> None:
    """Tell people which graphs OpenVINO, where it is installed, told nothing of."""
    told = {row.graph for row in report.rows if row.engine == OPENVINO}
    without = [graph for graph in dict.fromkeys(row.graph for row in report.rows) if graph not in told]
    if without and importlib.util.find_spec("openvino"):
        say(
            f"pigeon-edge: {', '.join(without)}: by ONNX Runtime alone, since OpenVINO computes halves in float32, "
            "and the runtime opens no graph without geocells"
        )


def say_unreadable(report: Report) -> None:
    """Tell people which photographs were left out."""
    if report.unreadable:
        say(f"pigeon-edge: {len(report.unreadable)} photographs cannot be read, {report.unreadable[0]} first")
