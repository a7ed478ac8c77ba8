"""Coarse grids of the world in text files, small enough to be read whole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import Floats
from pigeon_training.data.geography.climate import climate_number

ReadT = TypeVar("ReadT")


@dataclass(frozen=True, eq=False)
class TextGrid:
    """Values (H, W) on a regular grid once round the world; the first is centred on ``south`` and ``west``."""

    values: Floats
    south: float
    west: float
    step_deg: float

    def at(self, lat_lng: npt.ArrayLike) -> Floats:
        """Return the value (N,) of the grid cell that holds each of (N, 2) coordinates; NaN where there is none."""
        points = np.asarray(lat_lng, np.float64).reshape(-1, 2)
        finite = np.asarray(np.isfinite(points).all(axis=1))
        lat, lng = np.where(finite[:, None], points, 0.0).T
        # A hair of a cell makes up for rounded numbers in the file, so that the pole has a row.
        row = np.floor((lat - self.south) / self.step_deg + 0.5 + 1e-6).astype(np.int64)
        column = np.floor((lng - self.west + self.step_deg / 2) % 360.0 / self.step_deg).astype(np.int64)
        row = np.where((lat == 90) & (row == len(self.values)), row - 1, row)  # the pole is the last cell's edge
        inside = finite & (row >= 0) & (row < self.values.shape[0]) & (column < self.values.shape[1])
        return np.where(inside, self.values[np.where(inside, row, 0), np.where(inside, column, 0)], np.nan)


def read_koeppen(path: Path) -> TextGrid:
    """Read the table of Kottek et al. 2006: lines of ``lat lon class`` at the centres of half degrees of land."""

    def parse(text: str) -> TextGrid:
        words = text.split()
        words = words[3:] if words[0][:1].isalpha() else words  # the published file has a heading
        lat, lng = np.array(words[::3], np.float64), np.array(words[1::3], np.float64)
        return _scattered(lat, lng, np.array([climate_number(code) for code in words[2::3]]), 0.5)

    return _parsed(path, parse, "lines of lat, lon and Koeppen class")


def read_population(path: Path) -> TextGrid:
    """Read webgl-globe's population: ``[[year, [lat, lng, value, ...]], ...]`` on whole degrees; the last year counts.

    Values are relative, not people; a degree of land without anyone is in the file as 0, the sea is not in it.
    """

    def parse(text: str) -> TextGrid:
        lat, lng, value = np.array(json.loads(text)[-1][1], np.float64).reshape(-1, 3).T
        return _scattered(lat, lng, value, 1.0)

    return _parsed(path, parse, "a list of [year, [lat, lng, value, ...]]")


def read_etopo(path: Path) -> TextGrid:
    """Read ETOPO20's elevation in metres: ``PREFIXdata.gz`` beside ``PREFIXlats.gz`` and ``PREFIXlons.gz``.

    The sea floor is below 0. The last longitude repeats the first one, a turn later.
    """
    prefix = path.name.removesuffix("data.gz")
    lats, lons = (_parsed(path.with_name(f"{prefix}{axis}.gz"), _numbers, "numbers") for axis in ("lats", "lons"))
    values = _parsed(path, _numbers, "numbers")
    if values.size != lats.size * lons.size or lats.size < 2 or lons.size < 2:
        raise InputError(f"{path}: expected {lats.size} x {lons.size} values, found {values.size}")
    step = float((lats[-1] - lats[0]) / (lats.size - 1))
    turn = round(360 / step)
    return TextGrid(values.reshape(lats.size, lons.size)[:, :turn], float(lats[0]), float(lons[0]), step)


def _scattered(lat: Floats, lng: Floats, value: Floats, step_deg: float) -> TextGrid:
    """Return the grid of points at its cells' centres; cells without a point are NaN."""
    offset = float((lat[0] - step_deg / 2) % step_deg)
    south = -90 + (step_deg / 2 if offset < 1e-6 or step_deg - offset < 1e-6 else 0.0)
    west = south - 90
    grid = np.full((int((90 - south) / step_deg) + 1, round(360 / step_deg)), np.nan)
    row = np.rint((lat - south) / step_deg).astype(np.int64)
    grid[row, np.rint((lng - west) / step_deg).astype(np.int64) % grid.shape[1]] = value
    return TextGrid(grid, south, west, step_deg)


def _numbers(text: str) -> Floats:
    return np.array(text.split(), np.float64)


def _parsed(path: Path, parse: Callable[[str], ReadT], expected: str) -> ReadT:
    try:
        blob = path.read_bytes()
        return parse((gzip.decompress(blob) if path.suffix == ".gz" else blob).decode())
    except (OSError, EOFError, ValueError, IndexError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected {expected}, {' '.join(str(error).split())}") from error
