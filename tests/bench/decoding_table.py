"""Milliseconds from a JPEG file to pixels: decoded at reduced scale beside decoded in full."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from tests.bench.table import Table
from tests.bench.timing import compare

from pigeon_edge.images.photograph import read_pixels, read_rgb
from pigeon_edge.images.preprocess import PreprocessSpec, to_pixels

SIZE = (4000, 3000)
SIZES_PX = (96, 224, 336)
ROUNDS = 7
FULL = "full"


def decoding_table() -> Table:
    """Measure the sizes that encoders take."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photograph.jpg")
        _photograph().save(path, quality=90)
        rows = [row for size_px in SIZES_PX for row in _rows(path, PreprocessSpec(size_px))]
        megabytes = path.stat().st_size / 1e6
    return Table(
        "Decoding",
        f"A JPEG of {SIZE[0]} x {SIZE[1]} pixels and {megabytes:.1f} MB, in the page cache; one thread.",
        ("pixels", "decode", "ms", "x full"),
        tuple(rows),
    )


def _rows(path: Path, spec: PreprocessSpec) -> list[tuple[str | float, ...]]:
    ways = {FULL: lambda: to_pixels(read_rgb(path), spec), "reduced": lambda: read_pixels(path, spec)}
    found = compare(ways, FULL, ROUNDS)
    return [(f"{spec.size_px} px", name, timing.seconds * 1000, timing.ratio) for name, timing in found.items()]


def _photograph() -> Image.Image:
    """Return smooth shapes with a little grain, which compress about as a photograph does."""
    rng = np.random.default_rng(0)
    shapes = Image.fromarray(rng.integers(0, 256, (150, 200, 3), dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    grain = rng.normal(scale=4, size=(SIZE[1], SIZE[0], 1))
    return Image.fromarray(np.clip(np.asarray(shapes) + grain, 0, 255).astype(np.uint8))
