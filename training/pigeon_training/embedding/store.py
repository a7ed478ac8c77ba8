"""Embeddings of photographs on disk: computed once, memory-mapped, and checked against their checksums.

embedding.npy      (N, D) float32, a row a photograph
photographs.csv    path, lat, lng of each row; paths are relative to the manifest's folder
unreadable.csv     path, lat, lng and the reason of photographs that have no embedding
embeddings.json    what embedded them, N, D, and the SHA-256 of each chunk of rows
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow
from pigeon_edge.settings import read_settings
from pigeon_training.embedding.embedder import Embedder

EMBEDDING, PHOTOGRAPHS, UNREADABLE, NOTE = "embedding.npy", "photographs.csv", "unreadable.csv", "embeddings.json"
COLUMNS = ("path", "lat", "lng")

Photograph: TypeAlias = tuple[str, float, float]
"""What a photograph is known by: its path in the manifest, and where it was taken."""


@dataclass(frozen=True)
class Encoding:
    """What embedded photographs: SHA-256 of its weights or graph, its arithmetic, and how it wanted its pixels."""

    sha256: str
    precision: str
    preprocess: Mapping[str, Any]
    width: int

    @classmethod
    def of(cls, embedder: Embedder) -> Encoding:
        """Return the encoding of an embedder."""
        preprocess = json.loads(json.dumps(embedder.spec.to_json()))  # lists, as they are read again
        return cls(embedder.sha256, embedder.precision, preprocess, embedder.width)


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of the embeddings, and the SHA-256 of their bytes."""

    count: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Embeddings (N, D) float32 of photographs, mapped from their file and read as they are used.

    ``row_of`` finds the row of a photograph; ``unreadable`` are those that have none.
    """

    folder: Path
    embedding: npt.NDArray[np.float32]
    encoding: Encoding
    chunks: tuple[Chunk, ...]
    photographs_sha256: str
    row_of: Mapping[Photograph, int]
    unreadable: frozenset[Photograph]

    def of(self, manifest: Path, rows: Sequence[PhotoRow]) -> tuple[list[PhotoRow], list[int]]:
        """Return those of a manifest's rows that have an embedding, and its number; the others could not be read.

        Raises InputError for a photograph that was not embedded, or was at another place then.
        """
        found: list[PhotoRow] = []
        numbers: list[int] = []
        for row in rows:
            photograph = photograph_of(manifest, row)
            if photograph in self.row_of:
                found.append(row)
                numbers.append(self.row_of[photograph])
            elif photograph not in self.unreadable:
                raise InputError(
                    f"{manifest}: {photograph[0]} at {row.lat}, {row.lng} is not among the embeddings of "
                    f"{self.folder}; embed this manifest with: pigeon-edge train embed"
                )
        return found, numbers

    def check_encoder(self, sha256: str, spec: PreprocessSpec) -> None:
        """Raise UsageError where another encoder than this one, or another preprocessing, made the embeddings."""
        if self.encoding.sha256 != sha256:
            raise UsageError(
                f"{self.folder}: embeddings of the encoder {self.encoding.sha256[:12]}, the model is {sha256[:12]}; "
                "name the model that embedded them, or embed again"
            )
        if PreprocessSpec.from_json(self.encoding.preprocess) != spec:
            raise UsageError(f"{self.folder}: embeddings of photographs preprocessed otherwise than the model does")

    def verify(self) -> None:
        """Read all rows. Raises InputError, naming the rows, where a chunk differs from its checksum."""
        start = 0
        for chunk in self.chunks:
            stop = start + chunk.count
            if sha256_of_rows(self.embedding[start:stop]) != chunk.sha256:
                raise InputError(f"{self.folder}: rows {start} to {stop - 1} are not as they were written; embed again")
            start = stop


def open_embeddings(folder: Path) -> Embeddings:
    """Map the embeddings of a folder. Raises InputError where it is not there or its parts do not fit together."""
    try:
        record = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        encoding = read_settings(Encoding, record["encoding"])
        chunks = tuple(read_settings(Chunk, chunk) for chunk in record["chunks"])
        embedding = np.load(folder / EMBEDDING, mmap_mode="r", allow_pickle=False)
        photographs = _read_photographs(folder / PHOTOGRAPHS)
        unreadable = frozenset(_read_photographs(folder / UNREADABLE))
        shape = (sum(chunk.count for chunk in chunks), encoding.width)
        if not (embedding.shape == shape and embedding.dtype == np.float32 and len(photographs) == len(embedding)):
            raise ValueError(f"{len(photographs)} photographs and rows {embedding.shape}, not {shape}")
        row_of = {photograph: row for row, photograph in enumerate(photographs)}
        digest = str(record["photographs_sha256"])
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}: expected embeddings, {reason}; make them with: pigeon-edge train embed") from error
    return Embeddings(folder, embedding, encoding, chunks, digest, row_of, unreadable)


def note_of(encoding: Encoding, chunks: Sequence[Chunk], photographs_sha256: str) -> dict[str, Any]:
    """Return what ``embeddings.json`` holds."""
    return {
        "encoding": asdict(encoding),
        "count": sum(chunk.count for chunk in chunks),
        "photographs_sha256": photographs_sha256,
        "chunks": [asdict(chunk) for chunk in chunks],
    }


def photograph_of(manifest: Path, row: PhotoRow) -> Photograph:
    """Return what a row of a manifest is known by."""
    return row.path.as_posix().removeprefix(f"{manifest.parent.as_posix()}/"), row.lat, row.lng


def sha256_of_photographs(photographs: Iterable[Photograph]) -> str:
    """Return the SHA-256 of photographs and their order."""
    digest = hashlib.sha256()
    for photograph in photographs:
        digest.update(f"{json.dumps(photograph)}\n".encode())
    return digest.hexdigest()


def sha256_of_rows(embedding: npt.NDArray[np.float32]) -> str:
    """Return the SHA-256 of rows (N, D), as little-endian float32."""
    return hashlib.sha256(np.ascontiguousarray(embedding, "<f4").data).hexdigest()


def _read_photographs(path: Path) -> list[Photograph]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(record["path"], float(record["lat"]), float(record["lng"])) for record in csv.DictReader(file)]
