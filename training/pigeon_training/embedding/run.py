"""Embeddings that are being computed: a folder that grows chunk by chunk and becomes ``store.py``'s at its end.

``OUT.run/`` holds ``run.json`` (the encoder and the photographs), ``embedding.npy`` as far as it is written, and
``journal.jsonl`` with a line a chunk, written after its rows are on the disk.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.files import replacing, to_json, write_json
from pigeon_edge.settings import read_settings
from pigeon_training.embedding.store import (
    COLUMNS,
    EMBEDDING,
    NOTE,
    PHOTOGRAPHS,
    UNREADABLE,
    Chunk,
    Encoding,
    Photograph,
    note_of,
    sha256_of_rows,
)

RUN, JOURNAL = "run.json", "journal.jsonl"

_HEADER_BYTES = 128
"""Of a .npy file of any number of rows: numpy leaves room for the first dimension to grow."""


@dataclass(frozen=True)
class Entry:
    """A line of the journal: a chunk of ``photographs`` photographs, of which ``count`` have an embedding.

    ``unreadable`` has the reasons of the others, by their place in the chunk.
    """

    photographs: int
    count: int
    sha256: str
    unreadable: dict[str, str]


class EmbeddingRun:
    """A folder of unfinished embeddings, begun or found; ``photographs`` of them are done.

    Chunks count as done up to the first that differs from its checksum. Raises UsageError where the folder is of
    another encoder or of other photographs.
    """

    def __init__(self, folder: Path, encoding: Encoding, photographs_sha256: str) -> None:
        self._folder, self._encoding, self._sha256 = folder, encoding, photographs_sha256
        _begin(folder / RUN, {"encoding": asdict(encoding), "photographs_sha256": photographs_sha256})
        self._rows, self._journal = folder / EMBEDDING, folder / JOURNAL
        self._entries = list(_whole_entries(self._rows, self._journal, encoding.width))
        self._cut()

    @property
    def photographs(self) -> int:
        """How many photographs are done."""
        return sum(entry.photographs for entry in self._entries)

    @property
    def count(self) -> int:
        """How many of them have an embedding."""
        return sum(entry.count for entry in self._entries)

    def append(self, embedding: npt.NDArray[np.float32], unreadable: dict[int, str]) -> None:
        """Add the embeddings (N, D) of the next photographs; ``unreadable`` are those without, by place, and why."""
        with self._rows.open("ab") as file:
            file.write(np.ascontiguousarray(embedding, "<f4").data)
            file.flush()
            os.fsync(file.fileno())
        reasons = {str(place): reason for place, reason in unreadable.items()}
        entry = Entry(len(embedding) + len(unreadable), len(embedding), sha256_of_rows(embedding), reasons)
        with self._journal.open("a", encoding="utf-8") as lines:
            lines.write(_line(entry))
        self._entries.append(entry)

    def finish(self, out: Path, photographs: Sequence[Photograph]) -> None:
        """Make the folder one of ``photographs``, all of them done, and rename it to ``out``."""
        if not self.count:
            raise InputError(f"none of {len(photographs)} photographs could be read, such as {photographs[0][0]}")
        reasons = dict(self._reasons())
        embedded = (photograph for number, photograph in enumerate(photographs) if number not in reasons)
        _write_table(self._folder / PHOTOGRAPHS, COLUMNS, embedded)
        left_out = ((*photographs[number], reason) for number, reason in reasons.items())
        _write_table(self._folder / UNREADABLE, (*COLUMNS, "reason"), left_out)
        _write_header(self._rows, self.count, self._encoding.width)
        chunks = [Chunk(entry.count, entry.sha256) for entry in self._entries]
        write_json(self._folder / NOTE, note_of(self._encoding, chunks, self._sha256))
        out.parent.mkdir(parents=True, exist_ok=True)
        self._folder.rename(out)
        for name in (RUN, JOURNAL):
            (out / name).unlink()

    def _reasons(self) -> Iterator[tuple[int, str]]:
        """Yield the number among all photographs of each that could not be read, and the reason."""
        start = 0
        for entry in self._entries:
            yield from ((start + int(place), reason) for place, reason in entry.unreadable.items())
            start += entry.photographs

    def _cut(self) -> None:
        """Drop what the files hold beyond the chunks that are done."""
        self._rows.touch()
        os.truncate(self._rows, _HEADER_BYTES + 4 * self._encoding.width * self.count)
        with replacing(self._journal) as scratch:
            scratch.write_text("".join(map(_line, self._entries)), encoding="utf-8")


def _begin(path: Path, run: dict[str, Any]) -> None:
    """Write what a run is about. Raises UsageError where it is about something else already."""
    if not path.exists():
        write_json(path, run)
    if path.read_text(encoding="utf-8") != to_json(run):
        raise UsageError(
            f"{path.parent}: an unfinished run of another encoder or other photographs; name the same, or remove it"
        )


def _whole_entries(rows: Path, journal: Path, width: int) -> Iterator[Entry]:
    """Yield the entries of a journal up to the first whose rows are not as they were written."""
    if not (rows.exists() and journal.exists()):
        return
    with rows.open("rb") as file:
        file.seek(_HEADER_BYTES)
        for line in journal.read_text(encoding="utf-8").splitlines():
            entry = _entry(line)
            if entry is None or sha256(file.read(4 * width * entry.count)).hexdigest() != entry.sha256:
                return
            yield entry


def _line(entry: Entry) -> str:
    return json.dumps(asdict(entry)) + "\n"


def _entry(line: str) -> Entry | None:
    """Return the entry of a line, None where it was cut off."""
    try:
        return read_settings(Entry, json.loads(line))
    except (ValueError, UsageError):
        return None


def _write_table(path: Path, columns: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(lines)


def _write_header(path: Path, count: int, width: int) -> None:
    """Write the header of a .npy file of (count, width) float32 into the room that was left for it."""
    with path.open("r+b") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != _HEADER_BYTES:
            raise RuntimeError(f"numpy wrote a header of {file.tell()} bytes, not {_HEADER_BYTES}")
