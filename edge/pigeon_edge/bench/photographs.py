"""The photographs to measure with: read from disk once, so that decoding is measured and the disk is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pigeon_edge.errors import InputError, MissingToolError
from pigeon_edge.images.photograph import decode_pixels
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.images.scan import scan

MOST = 64
"""Photographs that are held in memory, spread evenly over those found."""


@dataclass(frozen=True)
class Photographs:
    """P files' contents and their pixels (P, S, S, 3) uint8, of ``found`` photographs, none above ``max_pixels``.

    ``left_out`` says of each that was chosen and cannot be read why.
    """

    paths: tuple[Path, ...]
    contents: tuple[bytes, ...]
    pixels: Pixels
    found: int
    max_pixels: int
    left_out: tuple[str, ...]

    @property
    def median_bytes(self) -> int:
        """The size of the file in the middle."""
        return int(np.median([len(content) for content in self.contents]))


def read_photographs(paths: Sequence[Path], spec: PreprocessSpec, max_pixels: int) -> Photographs:
    """Read files and folders of photographs. Raises InputError where there is none, or none can be decoded."""
    found = scan(paths).photographs
    read, left_out = [], []
    for path in spread(found, MOST):
        try:
            content = _content(path)
            read.append((path, content, decode_pixels(content, path, spec, max_pixels)))
        except (InputError, MissingToolError) as error:
            left_out.append(str(error))
    if not read:
        raise InputError(f"expected photographs, none of {len(left_out)} can be read: {left_out[0]}")
    names, contents, pixels = zip(*read, strict=True)
    return Photographs(names, contents, np.stack(pixels), len(found), max_pixels, tuple(left_out))


def spread(paths: Sequence[Path], most: int) -> tuple[Path, ...]:
    """Return at most ``most`` of the paths, evenly spaced."""
    step = max(len(paths) / most, 1.0)
    return tuple(paths[int(number * step)] for number in range(min(len(paths), most)))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); leave it out or restore it") from error
