"""The whole way of ``calibrate int8``: observe, smooth, choose ranges, quantize, judge, hand back, report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from pigeon_calibration import gate, observe, sample
from pigeon_calibration.gate import Parity, Thresholds
from pigeon_calibration.observation import Observation
from pigeon_calibration.observation import observe as observe_batches
from pigeon_calibration.observe import Photographs
from pigeon_calibration.prepare import Prepared, prepare
from pigeon_calibration.quantize import check_quantizable, linear_inputs, quantize
from pigeon_calibration.report import Evidence, Judged, document, table
from pigeon_calibration.resume import observe_resumably
from pigeon_calibration.sensitivity import HandedBack, damages, handing_back, shares
from pigeon_edge.cli.console import progress, say
from pigeon_edge.encoders.protocol import Encoding
from pigeon_edge.errors import GateError, InputError, UsageError
from pigeon_edge.files import replacing, sha256_of, write_json
from pigeon_edge.preprocess import Pixels, PreprocessSpec


@dataclass(frozen=True)
class Choices:
    """What the user chose beside the files: how many photographs a side, from which draw, to reach what.

    ``cells`` is the folder that `train cells` wrote, None where kilometres are not asked for; ``cache`` the folder in
    which observations are kept, None where they are not.
    """

    limit: int
    thresholds: Thresholds
    seed: int = 0
    cells: Path | None = None
    cache: Path | None = None


@dataclass
class _Verdict:
    """The int8 graph as it stands, and what it reaches."""

    model: onnx.ModelProto
    encoding: Encoding
    parity: Parity
    handed_back: Sequence[HandedBack] = field(default_factory=tuple)


def calibrate_int8(graph: Path, images: Path, *, out: Path, report: Path, choices: Choices) -> None:
    """Write the int8 graph if it reaches the thresholds, and the report in either case.

    A graph that falls short is written beside ``out``, marked as unverified. Raises InputError for a graph or
    photographs that cannot be used, UsageError where two of the files are the same, GateError where the int8 graph
    falls short.
    """
    _check_distinct(graph, out, report)
    model, spec = _checked(graph)
    centroids = _centroids(choices.cells, model)
    candidates = observe.list_photographs(images)
    chosen = sample.choose(candidates, choices.limit, choices.seed)
    calibration, judged = Photographs(chosen.calibration, spec), Photographs(chosen.gate, spec)
    prepared = _prepared(model, calibration, choices.cache)
    reference = gate.encode(model, _with_progress(judged, "batches encoded by float32"))
    verdict = _verdict(prepared, reference, calibration, judged, choices.thresholds)
    evidence = Evidence(sha256_of(graph), calibration.sha256(), len(calibration.used), choices.seed)
    lat_lng = {candidate.path: candidate.lat_lng for candidate in candidates}
    truth = [lat_lng[path] for path in judged.used]
    outcome = Judged(verdict.parity, reference, verdict.encoding, centroids, _known(truth))
    unreadable = [str(path) for path in calibration.unreadable + judged.unreadable]
    written = document(outcome, choices.thresholds, evidence, prepared, verdict.handed_back)
    write_json(report, {**written, "unreadable": unreadable})
    say(table(written))
    say(f"pigeon-edge: {gate.verdict(verdict.parity, choices.thresholds)}{_unreadable(unreadable)}")
    _save(verdict, choices.thresholds, out, report)


def _checked(graph: Path) -> tuple[onnx.ModelProto, PreprocessSpec]:
    """Read a graph that can be quantized, and how it wants its pixels. Raises InputError, naming the file."""
    model = observe.load_graph(graph)
    try:
        check_quantizable(model)
        return model, observe.preprocess_spec(model)
    except InputError as error:
        raise InputError(f"{graph}: {error}") from error


def _prepared(model: onnx.ModelProto, photographs: Photographs, cache: Path | None) -> Prepared:
    def seen(of: onnx.ModelProto) -> dict[str, Observation]:
        batches = _with_progress(photographs, "batches observed")
        if cache is None:
            return observe_batches(of, linear_inputs(of), batches)
        return observe_resumably(of, batches, photographs.sha256(), cache)

    return prepare(model, seen)


def _verdict(
    prepared: Prepared, reference: Encoding, calibration: Photographs, judged: Photographs, thresholds: Thresholds
) -> _Verdict:
    """Quantize and judge; while it falls short, hand back the linear that int8 damages most, within the budget."""

    def judge(handed_back: Sequence[HandedBack]) -> _Verdict:
        int8_model = quantize(prepared.graph, prepared.scales, [item.linear for item in handed_back])
        encoding = gate.encode(int8_model, _with_progress(judged, "batches encoded by int8"))
        return _Verdict(int8_model, encoding, gate.compare(reference, encoding), handed_back)

    verdict = judge(())
    if thresholds.misses(verdict.parity):
        say(f"pigeon-edge: {gate.verdict(verdict.parity, thresholds)}; looking for the linears that int8 damages")
        damage = damages(prepared, calibration.first_batch())
        for handed_back in handing_back(damage, shares(prepared.graph)):
            verdict = judge(handed_back)
            if not thresholds.misses(verdict.parity):
                break
    return verdict


def _save(verdict: _Verdict, thresholds: Thresholds, out: Path, report: Path) -> None:
    passed = not thresholds.misses(verdict.parity)
    unverified = out.with_suffix(".unverified.onnx")
    target = out if passed else unverified
    with replacing(target) as scratch:
        onnx.save_model(gate.marked(verdict.model, passed), str(scratch))
    if not passed:
        raise GateError(
            f"{out}: not written, int8 fell short of the gate; see {report} and {unverified}, "
            "or calibrate on more photographs"
        )


def _centroids(cells: Path | None, model: onnx.ModelProto) -> npt.NDArray[np.float64] | None:
    """Read the coordinates (C, 2) of the geocells. Raises InputError where they are not those of the graph."""
    if cells is None:
        return None
    file = cells / "centroid_lat_lng.npy"
    try:
        centroids = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: expected the geocells of `train cells`, {error}") from error
    widths = {value.name: value.type.tensor_type.shape.dim[-1].dim_value for value in model.graph.output}
    if centroids.shape != (widths.get("cell_logits", 0), 2):
        raise InputError(
            f"{file}: expected ({widths.get('cell_logits', 0)}, 2) coordinates, as the graph has cells, "
            f"found {centroids.shape}; give the geocells that the graph was trained on"
        )
    return np.asarray(centroids, np.float64)


def _known(truth: Sequence[tuple[float, float] | None]) -> npt.NDArray[np.float64] | None:
    known = [lat_lng for lat_lng in truth if lat_lng is not None]
    return np.array(known, np.float64) if len(known) == len(truth) else None


def _check_distinct(graph: Path, out: Path, report: Path) -> None:
    if len({path.resolve() for path in (graph, out, report)}) < 3:
        raise UsageError(f"{graph}, {out}, {report}: the graph, --out and --report must be three files; name others")


def _with_progress(photographs: Photographs, unit: str) -> Iterator[Pixels]:
    return progress(photographs.batches(), photographs.batch_count, unit)


def _unreadable(paths: list[str]) -> str:
    return f"; {len(paths)} unreadable, {paths[0]} first" if paths else ""
