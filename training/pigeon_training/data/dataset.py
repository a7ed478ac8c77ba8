"""Photographs of a manifest as arrays, made by the device's own preprocessing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.manifest import PhotoRow, Split, read_manifest
from pigeon_training.data.photographs import read_pixels


def read_split(manifest: Path, split: Split) -> list[PhotoRow]:
    """Return the rows of one split of a CSV or Parquet manifest. Raises InputError where there are none."""
    rows = [row for row in read_rows(manifest) if row.split is split]
    if not rows:
        raise InputError(f"{manifest}: none of its places falls into the {split.value} split; it needs more places")
    return rows


def read_rows(manifest: Path) -> list[PhotoRow]:
    """Return all rows of a CSV or Parquet manifest. Raises InputError where a row cannot be meant."""
    return read_manifest(manifest)


def read_all_pixels(rows: Sequence[PhotoRow], spec: PreprocessSpec) -> Pixels:
    """Return (N, size_px, size_px, 3) uint8, decoded in threads. Raises InputError on the first unreadable file."""
    pixels = np.empty((len(rows), spec.size_px, spec.size_px, 3), np.uint8)

    def read(number: int) -> None:
        pixels[number] = read_pixels(rows[number].path, spec)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for _ in pool.map(read, range(len(rows))):
            pass
    return pixels
