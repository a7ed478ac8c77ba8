"""The whole way of ``calibrate int8``: observe, smooth, choose ranges, quantize, judge, hand back, report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import typer

from pigeon_calibration import sample
from pigeon_calibration.gate import parity as gate
from pigeon_calibration.gate.thresholds import Parity, Thresholds, marked
from pigeon_calibration.graphs import load_graph, preprocess_spec
from pigeon_calibration.int8.activations import Observation, observe
from pigeon_calibration.int8.prepare import Prepared, prepare
from pigeon_calibration.int8.quantize import check_quantizable, linear_inputs, quantize
from pigeon_calibration.int8.report import Evidence, Judged, document, table
from pigeon_calibration.int8.resume import observe_resumably
from pigeon_calibration.int8.sensitivity import HandedBack, damages, handing_back, shares
from pigeon_calibration.photographs import Photographs, list_photographs, without_copies
from pigeon_calibration.sample import Candidate
from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.cli.console import progress, say
from pigeon_edge.errors import GateError, InputError
from pigeon_edge.files import check_files, check_folder, replacing, sha256_of, write_json
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec

FEW = 32
"""With fewer photographs a side, ranges get much headroom, and the first percentile of the verdict is its minimum."""


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
    photographs that cannot be used, UsageError where a file cannot be written or is two of them, GateError where the
    int8 graph falls short.
    """
    check_files([out, _unverified(out), report], [graph, images])
    if choices.cache:
        check_folder(choices.cache)
    model, spec = _checked(graph)
    centroids = _centroids(choices.cells, model)
    candidates = list_photographs(images)
    chosen = without_copies(sample.choose(candidates, choices.limit, choices.seed))
    calibration, judged = Photographs(chosen.calibration, spec), Photographs(chosen.gate, spec)
    prepared = _prepared(model, calibration, choices.cache)
    _warn_of_few(calibration, judged)
    reference = gate.encode(model, _with_progress(judged, "batches encoded by float32"))
    verdict = _verdict(prepared, reference, calibration, judged, choices.thresholds)
    target = _save(verdict, choices.thresholds, out)
    outcome = Judged(verdict.parity, reference, verdict.encoding, centroids, _truth(candidates, judged))
    evidence = Evidence(
        sha256_of(graph), sha256_of(target), calibration.sha256, len(calibration.used), judged.sha256, choices.seed
    )
    unreadable = [str(path) for path in calibration.unreadable + judged.unreadable]
    written = document(outcome, choices.thresholds, evidence, prepared, verdict.handed_back)
    write_json(report, {**written, "unreadable": unreadable})
    typer.echo(table(written))
    say(f"pigeon-edge: {gate.verdict(verdict.parity, choices.thresholds)}{_unreadable(unreadable)}")
    _conclude(target, out, report)


def _checked(graph: Path) -> tuple[onnx.ModelProto, PreprocessSpec]:
    """Read a graph that can be quantized, and how it wants its pixels. Raises InputError, naming the file."""
    model = load_graph(graph)
    try:
        check_quantizable(model)
        return model, preprocess_spec(model)
    except InputError as error:
        raise InputError(f"{graph}: {error}") from error


def _prepared(model: onnx.ModelProto, photographs: Photographs, cache: Path | None) -> Prepared:
    def seen(of: onnx.ModelProto) -> dict[str, Observation]:
        batches = _with_progress(photographs, "batches observed")
        if cache is None:
            return observe(of, linear_inputs(of), batches)
        return observe_resumably(of, batches, photographs.sha256, cache)

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


def _save(verdict: _Verdict, thresholds: Thresholds, out: Path) -> Path:
    """Write the int8 graph with its mark, to where one that passes goes or to where one that falls short does."""
    passed = not thresholds.misses(verdict.parity)
    target = out if passed else _unverified(out)
    with replacing(target) as scratch:
        onnx.save_model(marked(verdict.model, passed), str(scratch))
    return target


def _conclude(target: Path, out: Path, report: Path) -> None:
    """Say what was written, and clear away what an earlier run fell short with. Raises GateError for another file."""
    if target != out:
        earlier = f"{out} is of an earlier run" if out.exists() else f"{out} was not written"
        raise GateError(
            f"{earlier}: int8 fell short of the gate; see {report} and {target}, or calibrate on more photographs"
        )
    _unverified(out).unlink(missing_ok=True)
    say(f"pigeon-edge: wrote {out}, {out.stat().st_size / 1e6:.1f} MB; all of the measurement is in {report}")


def _unverified(out: Path) -> Path:
    return out.with_suffix(".unverified.onnx")


def _warn_of_few(calibration: Photographs, judged: Photographs) -> None:
    fewest = min(len(calibration.used), judged.count)
    if fewest < FEW:
        say(
            f"pigeon-edge: {len(calibration.used)} photographs to calibrate on and {judged.count} to judge by are few: "
            "ranges will be wide, and the verdict rests on little; some hundreds of many places are better"
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


def _truth(candidates: Sequence[Candidate], judged: Photographs) -> npt.NDArray[np.float64] | None:
    """Return where the photographs that judged were taken (N, 2), None where that is not known of all."""
    lat_lng = {candidate.path: candidate.lat_lng for candidate in candidates}
    known = [found for found in (lat_lng[path] for path in judged.used) if found is not None]
    return np.array(known, np.float64) if len(known) == len(judged.used) else None


def _with_progress(photographs: Photographs, unit: str) -> Iterator[Pixels]:
    return progress(photographs.batches(), photographs.batch_count, unit)


def _unreadable(paths: list[str]) -> str:
    return f"; {len(paths)} unreadable, {paths[0]} first" if paths else ""
