"""Photographs of one colour a region, and rows of places, the same on every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pigeon_edge.manifest import PhotoRow, write_manifest

RowMaker = Callable[..., list[PhotoRow]]


@pytest.fixture
def rows_of() -> RowMaker:
    """Return a maker of rows at one coordinate, or around it, in one region."""

    def make(
        admin1: str, count: int, lat: float, lng: float, *, country: str = "Aland", spread_deg: float = 0.0
    ) -> list[PhotoRow]:
        rng = np.random.default_rng(len(admin1) + count)
        offsets = rng.uniform(-spread_deg, spread_deg, (count, 2))
        return [
            PhotoRow(
                Path(f"{country}-{admin1}-{number}.jpg"), lat + float(d_lat), lng + float(d_lng),
                f"{country}-{admin1}-{number}", country_code=country[:2].upper(), country=country, admin1=admin1,
            )
            for number, (d_lat, d_lng) in enumerate(offsets)
        ]  # fmt: skip

    return make


@pytest.fixture
def album(tmp_path: Path) -> Callable[[Sequence[PhotoRow]], Path]:
    """Return a writer of a manifest and its photographs: each of a colour of its own, by its number."""

    def write(rows: Sequence[PhotoRow]) -> Path:
        folder = tmp_path / "photographs"
        folder.mkdir()
        placed = [PhotoRow(**{**vars(row), "path": folder / row.path}) for row in rows]
        for number, row in enumerate(placed):
            Image.new("RGB", (40, 32), (number * 37 % 256, number * 101 % 256, number * 11 % 256)).save(row.path)
        write_manifest(folder / "manifest.csv", placed)
        return folder / "manifest.csv"

    return write


@pytest.fixture(scope="module")
def one_thread():
    """Keep torch to one thread: for models this small, waiting for a second one costs more than it does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
