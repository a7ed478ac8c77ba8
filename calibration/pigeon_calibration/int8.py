"""The whole way of ``calibrate int8``: observe, smooth, choose ranges, quantize, judge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from pigeon_calibration import gate, observe, sample
from pigeon_calibration.gate import Thresholds
from pigeon_calibration.observation import Observation
from pigeon_calibration.observation import observe as observe_batches
from pigeon_calibration.observe import Photographs
from pigeon_calibration.prepare import Prepared, prepare
from pigeon_calibration.quantize import linear_inputs, quantize
from pigeon_edge.cli.console import progress, say
from pigeon_edge.errors import GateError, UsageError
from pigeon_edge.files import replacing, sha256_of, write_json
from pigeon_edge.preprocess import Pixels

METHOD = "loud channels smoothed into weights; per tensor the best of max, percentile, entropy and mean squared error"


def calibrate_int8(graph: Path, images: Path, *, out: Path, report: Path, limit: int, thresholds: Thresholds) -> None:
    """Write the int8 graph if it reaches ``thresholds``, and the report in either case.

    Raises InputError for a graph or photographs that cannot be used, UsageError where two of the files are the same,
    GateError where the int8 graph falls short.
    """
    _check_distinct(graph, out, report)
    model = observe.load_graph(graph)
    spec = observe.preprocess_spec(model)
    chosen = sample.choose(observe.list_photographs(images), limit)
    calibration, judged = Photographs(chosen.calibration, spec), Photographs(chosen.gate, spec)

    def seen(of: onnx.ModelProto) -> dict[str, Observation]:
        return observe_batches(of, linear_inputs(of), _with_progress(calibration, "batches observed"))

    prepared = prepare(model, seen)
    int8_model = quantize(prepared.graph, prepared.scales)
    parity = gate.measure(model, int8_model, _with_progress(judged, "batches judged"))
    unreadable = [str(path) for path in calibration.unreadable + judged.unreadable]
    evidence = gate.Evidence(
        METHOD, len(calibration.used), _sha256_of_set(calibration.used), sha256_of(graph), _tensors(prepared)
    )
    write_json(report, {**gate.report(parity, thresholds, evidence), "unreadable": unreadable})
    say(f"pigeon-edge: {gate.verdict(parity, thresholds)}{_unreadable(unreadable)}")
    if thresholds.misses(parity):
        raise GateError(
            f"{out}: not written, int8 fell short of the gate; see {report}, or calibrate on more photographs"
        )
    with replacing(out) as scratch:
        onnx.save_model(int8_model, str(scratch))


def _check_distinct(graph: Path, out: Path, report: Path) -> None:
    if len({path.resolve() for path in (graph, out, report)}) < 3:
        raise UsageError(f"{graph}, {out}, {report}: the graph, --out and --report must be three files; name others")


def _tensors(prepared: Prepared) -> dict[str, dict[str, Any]]:
    """Return what was decided for each tensor; ``largest_factor`` is None where it was not smoothed."""
    factors = {tensor: float(values.max()) for tensor, values in prepared.factors.items()}
    return {tensor: {**vars(found), "largest_factor": factors.get(tensor)} for tensor, found in prepared.ranges.items()}


def _with_progress(photographs: Photographs, unit: str) -> Iterator[Pixels]:
    return progress(photographs.batches(), photographs.batch_count, unit)


def _unreadable(paths: list[str]) -> str:
    return f"; {len(paths)} unreadable, {paths[0]} first" if paths else ""


def _sha256_of_set(paths: list[Path]) -> str:
    """Return one SHA-256 of a set of files: of their own, sorted, so that names and order do not count."""
    digests = sorted(sha256_of(path) for path in paths)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
