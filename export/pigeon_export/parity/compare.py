"""``export parity`` and the proof of ``export half``: a reference and what was made of it, on the same photographs.

A graph is judged as it is written, Q/DQ in float32, so that the verdict is the same on every machine. What the kernels
of the engines here lose besides is told apart.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from pigeon_calibration.gate.parity import compare, cosine_per_row, encode_with
from pigeon_calibration.gate.thresholds import Parity
from pigeon_calibration.graphs import load_graph, preprocess_spec
from pigeon_calibration.photographs import Photographs, list_photographs
from pigeon_calibration.runner import Runner
from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.cli.console import progress, say
from pigeon_edge.encoders import Engine, open_graph
from pigeon_edge.encoders.protocol import OUTPUTS, Encoder
from pigeon_edge.encoders.select import on_processor
from pigeon_edge.errors import GateError, InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.half.emulate import with_written_rounding
from pigeon_export.half.tolerances import TOLERANCES, precision_of

AS_WRITTEN = "as written"
ENGINES = {Engine.OPENVINO: "OpenVINO", Engine.ONNXRUNTIME: "ONNX Runtime"}
SCHEMA = "pigeon-edge/parity@2"

EXACT_COSINE = 0.9999
"""An engine's embeddings have to be as near as this to the graph's, or as near as those are to the reference: where a
tower multiplies rounding errors, two exact computations of one int8 graph lie 0.9998 apart."""


@dataclass(frozen=True)
class Row:
    """How near a graph, as written or on an engine, is to the reference, and what falls short.

    As written it has to reach its precision's tolerance. An engine has to be near the graph as written:
    ``cosine_to_graph`` is the least cosine of its embeddings with those, None for the graph itself, and ``enough`` is
    what it has to be.
    """

    graph: str
    engine: str
    precision: str
    parity: Parity
    cosine_to_graph: float | None
    enough: float | None
    misses: tuple[str, ...]

    @property
    def loses_much(self) -> bool:
        """Whether an engine is farther from the graph than it may be, chosen or not."""
        return self.cosine_to_graph is not None and not self.cosine_to_graph >= (self.enough or 0)


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
        short = [f"{row.graph} {_where(row)}: {'; '.join(row.misses)}" for row in self.rows if row.misses]
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
    row = _as_written("half precision", precision_of(half), expected, found)
    return Report(str(source), (row,), tuple(str(path) for path in photographs.unreadable))


def table(report: Report) -> str:
    """Return the report for people."""
    header = ("graph", "precision", "engine", "cosine min", "p01", "median", "top-1", "to graph", "verdict")
    lines = [header, *(_cells(row) for row in report.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _where(row: Row) -> str:
    return row.engine if row.engine == AS_WRITTEN else f"on {row.engine}"


def _cells(row: Row) -> tuple[str, ...]:
    found = row.parity
    cosines = (f"{value:.6f}" for value in (found.cosine_min, found.cosine_p01, found.cosine_median))
    top1 = "-" if found.top1_agreement is None else f"{found.top1_agreement:.4f}"
    nearness = "-" if row.cosine_to_graph is None else f"{row.cosine_to_graph:.6f}"
    return (row.graph, row.precision, row.engine, *cosines, top1, nearness, "; ".join(row.misses) or "passed")


def _open_reference(reference: str) -> tuple[Encoder, PreprocessSpec]:
    if reference.endswith(".onnx"):
        model = load_graph(Path(reference))
        return Runner(with_written_rounding(model)), preprocess_spec(model)
    from pigeon_export.parity.torch_reference import open_reference  # torch, which graphs alone do not need

    return open_reference(reference)


def _spread(images: Path, limit: int) -> list[Path]:
    paths = [candidate.path for candidate in list_photographs(images)]
    return [paths[number * len(paths) // limit] for number in range(limit)] if len(paths) > limit else paths


def _rows(
    path: Path, model: onnx.ModelProto, spec: PreprocessSpec, photographs: Photographs, expected: Encoding
) -> Iterator[Row]:
    precision = precision_of(model)
    _check_same_model(path, model, spec, expected)
    written = with_written_rounding(model)
    exact = _encode(Runner(written), photographs, f"{path.name} as written")
    yield _as_written(str(path), precision, expected, exact)
    encodes = set(OUTPUTS) <= {value.name for value in model.graph.output}
    if encodes and written is model:  # engines compute half precision in float32, and open no graph without geocells
        for engine in _installed():
            found = _encode(open_graph(path, engine), photographs, f"{path.name} on {ENGINES[engine]}")
            yield _on_engine(str(path), engine, precision, expected, exact, found)


def _installed() -> list[Engine]:
    return [engine for engine in ENGINES if importlib.util.find_spec(engine.value)]


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


def _as_written(graph: str, precision: str, expected: Encoding, found: Encoding) -> Row:
    parity = compare(expected, found)
    return Row(graph, AS_WRITTEN, precision, parity, None, None, tuple(TOLERANCES[precision].misses(parity)))


def _on_engine(graph: str, engine: Engine, precision: str, expected: Encoding, exact: Encoding, found: Encoding) -> Row:
    """Return the row of an engine. One that ``auto`` does not choose on this processor falls short of nothing."""
    cosine = float(cosine_per_row(exact.embedding, found.embedding).min())
    enough = min(EXACT_COSINE, compare(expected, exact).cosine_min)
    short = not cosine >= enough and engine is on_processor()
    misses = (f"cosine {cosine:.6f} to the graph as written is under {enough:.6g}",) if short else ()
    return Row(graph, ENGINES[engine], precision, compare(expected, found), cosine, enough, misses)


def _encode(encoder: Encoder, photographs: Photographs, name: str) -> Encoding:
    return encode_with(encoder, progress(photographs.batches(), photographs.batch_count, f"batches by {name}"))


def say_engines(report: Report) -> None:
    """Tell people which graphs no engine ran, and which engines fell short without being chosen here."""
    ran = {row.graph for row in report.rows if row.engine != AS_WRITTEN}
    without = [graph for graph in dict.fromkeys(row.graph for row in report.rows) if graph not in ran]
    if without:
        say(
            f"pigeon-edge: {', '.join(without)}: as written alone, since the engines here compute halves in float32, "
            "and open no graph without geocells"
        )
    for row in report.rows:
        if row.loses_much and not row.misses:
            say(
                f"pigeon-edge: {row.engine} loses much of {row.graph} on this processor; --engine auto does not take it"
            )


def say_unreadable(report: Report) -> None:
    """Tell people which photographs were left out."""
    if report.unreadable:
        say(f"pigeon-edge: {len(report.unreadable)} photographs cannot be read, {report.unreadable[0]} first")
