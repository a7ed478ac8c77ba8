"""The photographs that calibration works with: listed, chosen apart, read in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from pigeon_calibration.sample import Candidate, Sample, candidates_of_folder, candidates_of_rows
from pigeon_edge.errors import InputError, MissingToolError
from pigeon_edge.files import sha256_of
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.images.scan import scan
from pigeon_edge.manifest import read_manifest

BATCH_SIZE = 8

ONE_COLOUR = 3
"""An image whose values differ by no more than this in every colour shows nothing but its noise."""


def list_photographs(images: Path) -> list[Candidate]:
    """Return the photographs of a folder (with its subfolders, sorted) or of a manifest.

    Raises InputError where there are none.
    """
    if not images.exists():
        raise InputError(f"{images}: expected photographs, found no such file or folder; check --images")
    if images.is_dir():
        found = candidates_of_folder(images, scan([images]).photographs)
    else:
        found = candidates_of_rows(read_manifest(images))
    if not found:
        raise InputError(f"{images}: expected photographs, found none; give a folder of images or a manifest")
    return found


def without_copies(chosen: Sample) -> Sample:
    """Return a sample whose photographs to judge by are no copies of those to calibrate on.

    Raises InputError where all of them are.
    """
    seen = {sha256_of(path) for path in chosen.calibration if path.is_file()}
    gate = tuple(path for path in chosen.gate if not path.is_file() or sha256_of(path) not in seen)
    if not gate:
        raise InputError(
            f"{_counted(chosen.gate)}: expected photographs to judge by, found copies of those to calibrate on; add"
            " others"
        )
    return Sample(chosen.calibration, gate)


class Photographs:
    """Photographs as batches (n, S, S, 3) uint8; after a pass, ``used`` and ``unreadable`` say what became of each."""

    def __init__(self, paths: Sequence[Path], spec: PreprocessSpec) -> None:
        self._paths, self._spec = paths, spec
        self.used: list[Path] = []
        self.unreadable: list[Path] = []
        self._last_reason = ""
        self._varied = False

    @property
    def count(self) -> int:
        """The number of photographs, readable or not."""
        return len(self._paths)

    @property
    def batch_count(self) -> int:
        """The number of batches, where no batch is unreadable as a whole."""
        return -(-len(self._paths) // BATCH_SIZE)

    @cached_property
    def sha256(self) -> str:
        """One SHA-256 of the photographs that are there, of their contents in order: names do not count."""
        digests = [sha256_of(path) for path in self._paths if path.is_file()]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def batches(self) -> Iterator[Pixels]:
        """Yield the readable photographs in order.

        Raises InputError at the end where none could be read, or none shows anything.
        """
        self.used, self.unreadable, self._varied = [], [], False
        for start in range(0, len(self._paths), BATCH_SIZE):
            batch = [pixels for path in self._paths[start : start + BATCH_SIZE] for pixels in self._read(path)]
            if batch:
                yield np.stack(batch)
        if not self.used:
            raise InputError(
                f"{_counted(self._paths)}: expected photographs, none can be read; give others, for {self._last_reason}"
            )
        if not self._varied:
            raise InputError(
                f"{_counted(self.used)}: expected photographs, found images of one colour each; give others"
            )

    def first_batch(self) -> Pixels:
        """Return the first photographs (n, S, S, 3) of the pass that has ended."""
        return np.stack([read_pixels(path, self._spec) for path in self.used[:BATCH_SIZE]])

    def _read(self, path: Path) -> Iterator[Pixels]:
        try:
            pixels = read_pixels(path, self._spec)
            self._varied = self._varied or int(np.ptp(pixels, axis=(0, 1)).max()) > ONE_COLOUR
            self.used.append(path)
            yield pixels
        except (InputError, MissingToolError) as error:
            self.unreadable.append(path)
            self._last_reason = str(error)


def _counted(paths: Sequence[Path]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else str(paths[0])
