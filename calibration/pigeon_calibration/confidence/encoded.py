"""Photographs as encodings, batch after batch: read in threads, run through the graph that ships, kept on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import numpy.typing as npt

from pigeon_calibration.confidence.held_out import Purpose, check_places
from pigeon_edge.cli.console import progress
from pigeon_edge.encoders import Encoding
from pigeon_edge.errors import InputError, MissingToolError, PigeonError
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.locator import Locator
from pigeon_edge.manifest import PhotoRow

BATCH = 64


@dataclass(frozen=True, eq=False)
class Encoded:
    """The encoding of some photographs, and which of all they are: ``numbers`` (N,)."""

    numbers: npt.NDArray[np.int64]
    encoding: Encoding


@dataclass
class Unreadable:
    """The photographs that could not be read, and why."""

    reasons: list[str] = field(default_factory=list)


def encoded(locator: Locator, rows: Sequence[PhotoRow], unreadable: Unreadable, purpose: Purpose) -> Iterator[Encoded]:
    """Yield the encodings of rows, with a bar on a terminal.

    Raises InputError, at the end, where those that can be read are of too few places for their purpose.
    """
    starts = range(0, len(rows), BATCH)
    read: list[PhotoRow] = []
    unreadable_before = len(unreadable.reasons)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in progress(starts, len(starts), "batches"):
            paths = [row.path for row in rows[start : start + BATCH]]
            outcomes = list(pool.map(lambda path: _read(path, locator.preprocess), paths))
            unreadable.reasons += [str(outcome) for outcome in outcomes if isinstance(outcome, PigeonError)]
            good = {number: pixels for number, pixels in enumerate(outcomes) if not isinstance(pixels, PigeonError)}
            if good:
                read += [rows[start + number] for number in good]
                yield Encoded(start + np.array(list(good)), locator.encoder.encode(np.stack(list(good.values()))))
    check_places(read, purpose, unreadable.reasons[unreadable_before:])


@contextmanager
def kept(batches: Iterable[Encoded], folder: Path) -> Iterator[Callable[[], Iterator[Encoded]]]:
    """Write batches to a temporary file in a folder; yield what reads them from it, as often as it is called.

    The system's own folder for such files is often memory, which a hundred thousand encodings would fill.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder) as file:
        count = 0
        for batch in batches:
            count += 1
            for array in (batch.numbers, batch.encoding.embedding, batch.encoding.cell_logits):
                np.save(file, array, allow_pickle=False)
        yield partial(_read_back, file, count)


def _read_back(file: IO[bytes], count: int) -> Iterator[Encoded]:
    file.seek(0)
    for _ in range(count):
        numbers, embedding, logits = (np.load(file, allow_pickle=False) for _ in range(3))
        yield Encoded(numbers, Encoding(embedding, logits))


def _read(path: Path, spec: PreprocessSpec) -> Pixels | PigeonError:
    try:
        return read_pixels(path, spec)
    except (InputError, MissingToolError) as error:
        return error
