"""Gathering the parts of a bundle and sealing it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import save_file

from pigeon_calibration.gate.thresholds import INT8_REPORT, check_not_unverified
from pigeon_calibration.graphs import load_graph, load_onnx, preprocess_spec
from pigeon_edge.answer.confidence import UNFITTED, ConfidenceSettings, read_confidence
from pigeon_edge.answer.environment import EnvironmentSettings, check_outputs, settings_of_graph
from pigeon_edge.bundle.format import ENVIRONMENT, GRAPH, MANIFEST, TWIN, Description, open_bundle, seal, verify
from pigeon_edge.bundle.parts import open_gallery
from pigeon_edge.encoders import Encoding, Engine, open_graph
from pigeon_edge.encoders.golden import GOLDEN, LEAST_COSINE, least_cosine, read_golden
from pigeon_edge.errors import BundleError, EngineError, InputError
from pigeon_edge.files import replacing_folder, sha256_of, to_json
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.images.scan import scan
from pigeon_edge.retrieval.gallery import parts_of, read_index
from pigeon_edge.retrieval.refine import RefinementSettings
from pigeon_export.half.tolerances import precision_of
from pigeon_export.lint.rules import lint
from pigeon_export.pack.card import model_card

PROBES = 4
"""Photographs in the golden file: enough to notice a wrong engine, small enough to ship."""

_CELL_FILES = ("centroid_lat_lng.npy", "places.json")
_GALLERY_FILES = ("index.faiss", "cell_offsets.npy", "lat_lng.npy")


@dataclass(frozen=True)
class Parts:
    """What a bundle is made of; the optional ones are None where they were not given."""

    encoder: Path
    cells: Path
    gallery: Path
    probes: Path
    full_precision: Path | None
    confidence: Path | None
    evaluation: Path | None
    calibration: Path | None


@dataclass(frozen=True)
class Naming:
    """What a bundle is called, what it is about, and under which licences its weights and data are."""

    name: str
    about: str
    licences: dict[str, str]


def pack(parts: Parts, naming: Naming, refinement: RefinementSettings, out: Path) -> None:
    """Write a bundle, by rename, once it opens and verifies.

    Raises InputError, GateError or BundleError where a part is amiss.
    """
    encoder = _read_graph(parts.encoder)
    metadata = {entry.key: entry.value for entry in encoder.metadata_props}
    spec, environment = PreprocessSpec.from_graph_metadata(metadata), settings_of_graph(metadata)
    with replacing_folder(out, MANIFEST) as scratch:
        scratch.mkdir()
        _copy(parts, scratch)
        encoding = _write_golden(scratch, parts, spec)
        _check_twin(parts, scratch, spec)
        description = _describe(scratch, encoder, spec, naming, refinement)
        _check_fit(encoding, description)
        _write_environment(scratch, environment, encoding)
        reports = {key: _read_json(path) for key, path in _reports(parts).items() if path}
        _check_calibration(parts, reports.get("calibration"))
        confidence = read_confidence(scratch / "confidence.json")
        _check_confidence(parts, confidence)
        card = model_card(description, naming.about, confidence, reports, environment)
        (scratch / "MODEL_CARD.md").write_text(card, "utf-8")
        seal(scratch, description)
        bundle = open_bundle(scratch)
        verify(bundle)
        open_gallery(bundle)


def _read_graph(path: Path) -> onnx.ModelProto:
    """Read the graph that ships. Raises GateError where it fell short, InputError where it breaks an engine's rule."""
    model = load_graph(path)
    check_not_unverified(model, path)
    findings = lint(model)
    if findings:
        raise InputError(f"{path}: breaks a rule of the engines: {findings[0]}; export and calibrate it again")
    return model


def _copy(parts: Parts, folder: Path) -> None:
    _copy_file(parts.encoder, folder / GRAPH)
    if parts.full_precision:
        _copy_file(parts.full_precision, folder / TWIN)
    for name, source, files in (("cells", parts.cells, _CELL_FILES), ("gallery", parts.gallery, _GALLERY_FILES)):
        (folder / name).mkdir()
        for file in files:
            _copy_file(source / file, folder / name / file)
    if parts.confidence:
        _copy_file(parts.confidence, folder / "confidence.json")
    else:
        (folder / "confidence.json").write_text(to_json(UNFITTED.to_json()), encoding="utf-8")


def _copy_file(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise InputError(f"{source}: expected a part of the bundle, {error.strerror}; name where it is") from error


def _write_golden(folder: Path, parts: Parts, spec: PreprocessSpec) -> Encoding:
    """Write what the graph makes of the first probes; return it."""
    paths = scan([parts.probes]).photographs[:PROBES]
    pixels = np.stack([read_pixels(path, spec) for path in paths])
    encoding = open_graph(parts.encoder, Engine.ONNXRUNTIME).encode(pixels)
    golden: dict[str, Any] = {
        "pixels": pixels,
        "image_embedding": encoding.embedding,
        "cell_logits": encoding.cell_logits,
        **encoding.tasks,
    }
    save_file(golden, folder / GOLDEN)
    return encoding


def _check_twin(parts: Parts, folder: Path, spec: PreprocessSpec) -> None:
    """Raise InputError where the full-precision graph is not of the same model: engines are built from it."""
    if parts.full_precision is None:
        return
    if precision_of(load_onnx(parts.encoder)) != "int8":
        raise InputError(
            f"{parts.encoder}: expected an int8 graph beside a full-precision twin, found one without int8"
        )
    if preprocess_spec(load_onnx(parts.full_precision)) != spec:
        raise InputError(f"{parts.full_precision}: expected a graph for the pixels of {parts.encoder}, found another's")
    try:
        cosine = least_cosine(open_graph(parts.full_precision, Engine.ONNXRUNTIME), read_golden(folder / GOLDEN))
    except EngineError as error:
        raise InputError(f"{parts.full_precision}: {error}") from error
    if not cosine >= LEAST_COSINE:
        raise InputError(
            f"{parts.full_precision}: expected the full-precision twin of {parts.encoder}, found one that answers the "
            f"probes otherwise (cosine {cosine:.4f}, {LEAST_COSINE} at least); give what it was calibrated from"
        )


def _check_confidence(parts: Parts, confidence: ConfidenceSettings) -> None:
    """Raise InputError where confidence was fitted on the answers of another graph: its promises are of those."""
    if confidence.graph_sha256 not in (None, sha256_of(parts.encoder)):
        raise InputError(
            f"{parts.confidence}: expected confidence that was fitted with {parts.encoder}, found that of another "
            "graph; run `calibrate confidence` on a bundle with this one"
        )


def _check_calibration(parts: Parts, report: dict[str, Any] | None) -> None:
    """Raise InputError where the report of `calibrate int8` is of another graph, or of one that fell short."""
    if report is None:
        return
    told = (str(report.get("schema")).partition("@")[0], report.get("passed"), report.get("int8_sha256"))
    wanted = (INT8_REPORT, True, sha256_of(parts.encoder))
    if told != wanted:
        raise InputError(
            f"{parts.calibration}: expected the report that `calibrate int8` wrote with {parts.encoder}, found that of "
            "another graph, or another document; give the report beside the graph"
        )


def _describe(
    folder: Path, encoder: onnx.ModelProto, spec: PreprocessSpec, naming: Naming, refinement: RefinementSettings
) -> Description:
    index, centroids = _open_tables(folder)
    return Description(
        name=naming.name,
        created=datetime.now(timezone.utc).replace(microsecond=0).isoformat(),
        preprocess=spec,
        embedding_width=index.d,
        opset=max(entry.version for entry in encoder.opset_import if not entry.domain),
        cells=len(centroids),
        clusters=parts_of(index)[1].nlist,
        photographs=index.ntotal,
        refinement=refinement,
        licences=naming.licences,
        precision=precision_of(encoder),
    )


def _open_tables(folder: Path) -> tuple[Any, Any]:
    try:
        index = read_index(folder / "gallery" / "index.faiss")
        return index, np.load(folder / "cells" / "centroid_lat_lng.npy", allow_pickle=False)
    except (BundleError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0].removeprefix(f"{folder}/").removesuffix("; copy the bundle again")
        raise InputError(f"expected geocells and a gallery, {reason}; make them again") from error


def _check_fit(encoding: Encoding, description: Description) -> None:
    """Raise InputError where the graph, the geocells and the gallery are not of one model."""
    given = (encoding.embedding.shape[1], encoding.cell_logits.shape[1])
    expected = (description.embedding_width, description.cells)
    if given != expected:
        raise InputError(
            f"expected a graph for embeddings of {expected[0]} as in the gallery and {expected[1]} geocells, "
            f"found {given[0]} and {given[1]}; make cells, graph and gallery from one model"
        )


def _write_environment(folder: Path, environment: EnvironmentSettings | None, encoding: Encoding) -> None:
    """Write how the graph's task outputs are read, where it has some; raise BundleError where it lacks one of them."""
    if environment is not None:
        check_outputs(environment, encoding)
        (folder / ENVIRONMENT).write_text(to_json(environment.to_json()), encoding="utf-8")


def _reports(parts: Parts) -> dict[str, Path | None]:
    return {"evaluation": parts.evaluation, "calibration": parts.calibration}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a JSON report, {error}") from error
    return document
