"""The bundle: everything that a device needs to locate photographs, in one folder ``NAME.pigeon/``.

Version 1. JSON, safetensors, npy, ONNX and faiss files only: nothing that can run code when it is read.

    manifest.json                what the bundle is; size and sha256 of every other file
    encoder.int8.onnx            Q/DQ graph. In: ``pixels`` (N, S, S, 3) uint8, normalised inside the graph.
                                 Out: ``image_embedding`` (N, D) float32, ``cell_logits`` (N, C) float32, and where
                                 the heads were trained ``regressions`` (N, R), ``climate_logits``, ``month_logits``
    encoder.onnx                 its full-precision twin, optional
    cells/centroid_lat_lng.npy   (C, 2) float64, degrees
    cells/places.json            C objects with country_code, country, admin1
    gallery/index.faiss          IVF, one list per location cluster, clusters sorted by cell; the quantizer holds the
                                 prototypes; vectors of unit length; ids are rows of ``gallery/lat_lng.npy``; a small
                                 gallery has a projection to principal components before it
    gallery/cell_offsets.npy     (C + 1,) int64: the clusters of cell c are offsets[c] up to offsets[c + 1]
    gallery/lat_lng.npy          (M, 2) float32, degrees: where each gallery photograph was taken
    confidence.json              temperature, radii and claims, see ``confidence.ConfidenceSettings``
    environment.json             how the further outputs are read, see ``environment.EnvironmentSettings``; where the
                                 graph has such outputs
    golden.safetensors           ``pixels`` (P, S, S, 3) and the outputs of the graph that they must give
    MODEL_CARD.md                data, licence, accuracy, intended use

``manifest.json`` is canonical JSON (sorted keys, indent 1, UTF-8, one final newline) with these keys:

    schema       "pigeon-edge/bundle@1"
    name         of the bundle
    created      UTC, ISO 8601
    encoder      {"preprocess": see ``preprocess.PreprocessSpec``, "embedding_width": D, "opset": n}
    counts       {"cells": C, "clusters": K, "photographs": M}
    refinement   the fields of ``PaperRefinement`` or of ``GatedRefinement``: the keys tell which
    licences     {"weights": SPDX id or sentence, "data": the same}
    files        {name: {"size": bytes, "sha256": hexadecimal}}
    digest       sha256 of the canonical manifest without this key: the identity of the bundle

``open_bundle`` checks the manifest and every size; ``verify`` also every checksum. Engines are never in a bundle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.bundle.verified import verify_file, verify_once
from pigeon_edge.errors import BundleError, UsageError
from pigeon_edge.files import sha256_of
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.retrieval.refine import RefinementSettings, read_refinement

SCHEMA_NAME = "pigeon-edge/bundle"
SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
GRAPH, TWIN = "encoder.int8.onnx", "encoder.onnx"
"""The quantized graph, which runs, and its full-precision twin, which an engine may be built from."""
ENVIRONMENT = "environment.json"
REQUIRED_FILES = (
    GRAPH,
    "cells/centroid_lat_lng.npy",
    "cells/places.json",
    "gallery/index.faiss",
    "gallery/cell_offsets.npy",
    "gallery/lat_lng.npy",
    "confidence.json",
    "golden.safetensors",
    "MODEL_CARD.md",
)


@dataclass(frozen=True)
class Description:
    """What a bundle says of itself: the manifest without the file table and the digest.

    ``precision`` is what its graph computes in: "int8", as bundles should, which the manifest then does not say; "fp32"
    or "fp16" of a model that no INT8 graph was as good as.
    """

    name: str
    created: str
    preprocess: PreprocessSpec
    embedding_width: int
    opset: int
    cells: int
    clusters: int
    photographs: int
    refinement: RefinementSettings
    licences: Mapping[str, str]
    precision: str = "int8"

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's keys but ``files`` and ``digest``."""
        return {
            "schema": f"{SCHEMA_NAME}@{SCHEMA_VERSION}",
            "name": self.name,
            "created": self.created,
            "encoder": {
                "preprocess": self.preprocess.to_json(),
                "embedding_width": self.embedding_width,
                "opset": self.opset,
                **({} if self.precision == "int8" else {"precision": self.precision}),
            },
            "counts": {"cells": self.cells, "clusters": self.clusters, "photographs": self.photographs},
            "refinement": vars(self.refinement),
            "licences": dict(self.licences),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Description:
        """Read a manifest. Raises KeyError, TypeError, ValueError or UsageError where it is malformed."""
        encoder, counts = document["encoder"], document["counts"]
        return cls(
            name=str(document["name"]),
            created=str(document["created"]),
            preprocess=PreprocessSpec.from_json(encoder["preprocess"]),
            embedding_width=int(encoder["embedding_width"]),
            opset=int(encoder["opset"]),
            cells=int(counts["cells"]),
            clusters=int(counts["clusters"]),
            photographs=int(counts["photographs"]),
            refinement=read_refinement(document["refinement"]),
            licences={str(key): str(value) for key, value in document["licences"].items()},
            precision=str(encoder.get("precision", "int8")),
        )


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: its folder, its description, its table of files, its digest."""

    path: Path
    description: Description
    files: Mapping[str, tuple[int, str]]
    digest: str

    @property
    def label(self) -> str:
        """Name and abbreviated digest, as events and logs state them."""
        return f"{self.description.name}@{self.digest[:12]}"

    def file(self, name: str) -> Path:
        """Return the path of a listed file whose checksum is right, computed once per copy.

        Raises BundleError for a name the manifest does not list, and for a file that is not as it was made.
        """
        if name not in self.files:
            raise BundleError(f"{self.path}: the manifest lists no {name}; this bundle cannot be used for that")
        verify_once(self.path / name, self.files[name][1])
        return self.path / name

    def array(self, name: str) -> npt.NDArray[Any]:
        """Map a listed .npy file. Raises BundleError where it is none, or holds Python objects, which can run code."""
        path = self.file(name)
        try:
            return np.lib.format.open_memmap(path, mode="r")
        except Exception as error:  # numpy reads the header with Python's own parser, which raises its own kinds
            raise BundleError(f"{path}: expected an array of numbers, {error}; copy the bundle again") from error


def open_bundle(path: Path | str) -> Bundle:
    """Open a bundle folder. Raises BundleError where the manifest or the size of any file is not as it must be.

    >>> from pigeon_edge.cli.options import TOY_PLANET
    >>> open_bundle(TOY_PLANET).description.name
    'toy-planet'
    """
    folder = Path(path)
    document = _read_manifest(folder)
    try:
        bundle = Bundle(folder, Description.from_json(document), _file_table(document), document["digest"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, UsageError) as error:
        raise BundleError(f"{folder / MANIFEST}: malformed ({error!r}); copy the bundle again") from error
    missing = [name for name in REQUIRED_FILES if name not in bundle.files]
    if missing:
        raise BundleError(f"{folder}: the manifest lists no {', '.join(missing)}; build or copy the bundle again")
    for name, (size, _) in bundle.files.items():
        _check_size(folder / name, size)
    return bundle


def verify(bundle: Bundle) -> None:
    """Compare every file with its checksum, and look for files that nobody listed. Raises BundleError on the first."""
    for name, (_, sha256) in sorted(bundle.files.items()):
        verify_file(bundle.path / name, sha256)
    present = {path.relative_to(bundle.path).as_posix() for path in bundle.path.rglob("*") if not path.is_dir()}
    stray = sorted(present - set(bundle.files) - {MANIFEST})
    if stray:
        raise BundleError(f"{bundle.path}: not in the manifest: {', '.join(stray)}; remove what is not part of it")


def seal(folder: Path, description: Description) -> None:
    """Write the manifest of a folder whose other files are complete."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    table = {
        name: {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in names
        if name != MANIFEST
    }
    document = {**description.to_json(), "files": table}
    (folder / MANIFEST).write_bytes(_canonical({**document, "digest": _digest(document)}))


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Return a manifest whose version, spelling and digest are right."""
    if folder.is_file():
        raise BundleError(f"{folder}: expected a bundle folder, found a file; unpack it first (tar -xf)")
    try:
        content = (folder / MANIFEST).read_bytes()
        document = json.loads(content)
    except FileNotFoundError as error:
        raise BundleError(f"{folder}: expected a bundle, found no {MANIFEST}; name a .pigeon folder") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{folder / MANIFEST}: expected JSON, {error}; copy the bundle again") from error
    if not isinstance(document, dict):
        raise BundleError(f"{folder / MANIFEST}: expected a JSON object; copy the bundle again")
    _check_schema(folder, str(document.get("schema")))
    unsigned = {key: value for key, value in document.items() if key != "digest"}
    if document.get("digest") != _digest(unsigned) or content != _canonical(document):
        raise BundleError(f"{folder / MANIFEST}: altered since the bundle was made; copy the bundle again")
    return document


def _check_schema(folder: Path, schema: str) -> None:
    name, _, version = schema.partition("@")
    if name != SCHEMA_NAME or not (version.isascii() and version.isdigit()):
        raise BundleError(f"{folder / MANIFEST}: expected schema {SCHEMA_NAME}@{SCHEMA_VERSION}, found {schema}")
    if int(version) > SCHEMA_VERSION:
        raise BundleError(
            f"{folder}: a bundle of version {version}, this program reads up to {SCHEMA_VERSION}; upgrade pigeon-edge"
        )


def _file_table(document: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    table = {str(name): (int(entry["size"]), str(entry["sha256"])) for name, entry in document["files"].items()}
    for name in table:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or set("\\\0") & set(name):
            raise ValueError(f"file name {name!r} leaves the bundle")
    return table


def _check_size(path: Path, size: int) -> None:
    if not path.is_file():
        raise BundleError(f"{path}: listed in the manifest but missing; copy the bundle again")
    found = path.stat().st_size
    if found != size:
        raise BundleError(f"{path}: expected {size} bytes, found {found}; copy the bundle again")


def _canonical(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # lone surrogates stay the escapes that they were


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(document)).hexdigest()
