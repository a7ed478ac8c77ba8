"""Values of the earth's surface at coordinates: GeoTIFFs by windows, and small grids of text. No data is NaN.

A ``Raster`` may be a GeoTIFF in any projection (Beck's Koeppen map, SRTM or ETOPO elevation, GHS-POP population in
Mollweide, WorldClim), or one of the text grids that ``read_raster`` tells by their names.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError, MissingToolError
from pigeon_edge.geodesy import Floats
from pigeon_training.data.geography.nearest_edge import Ints
from pigeon_training.data.geography.text_grids import read_etopo, read_koeppen, read_population

_WINDOW_PX = 1024
"""Side of the windows read: 8 MB a window in float64, and a world of 43,200 x 21,600 is at most 903 of them."""


class Raster(Protocol):
    """Something that has a value at a coordinate."""

    def at(self, lat_lng: npt.ArrayLike) -> Floats:
        """Return the value (N,) of the pixel that holds each of (N, 2) coordinates; NaN where there is none."""
        ...


@dataclass(frozen=True)
class GeoTiff:
    """One band of a raster file, read by windows: only those that hold a point, each once."""

    path: Path
    band: int = 1

    def at(self, lat_lng: npt.ArrayLike) -> Floats:
        """Return values (N,), with the band's scale and offset applied. Raises InputError where a read fails."""
        points = np.asarray(lat_lng, np.float64).reshape(-1, 2)
        values = np.full(len(points), np.nan)
        with _opened(self.path) as source:
            row, column = _pixels(source, points)
            for members in _windows(row, column, source.height, source.width):
                values[members] = _values(source, self.band, row[members], column[members])
            return np.asarray(values * source.scales[self.band - 1] + source.offsets[self.band - 1])


@dataclass(frozen=True)
class Months:
    """Twelve rasters of a year, January first; their ``at`` is the mean."""

    rasters: tuple[Raster, ...]

    def at(self, lat_lng: npt.ArrayLike) -> Floats:
        """Return the mean (N,) of the months."""
        return self.mean_and_range_at(lat_lng)[0]

    def mean_and_range_at(self, lat_lng: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return mean, and highest less lowest month (N,); NaN where a month has no data (PIGEON's two targets)."""
        months = np.stack([raster.at(lat_lng) for raster in self.rasters])  # (12, N)
        return months.mean(axis=0), months.max(axis=0) - months.min(axis=0)


def read_raster(path: Path) -> Raster:
    """Open a raster by its name. Raises InputError where it is none that is known.

    ``*.txt`` is Kottek's Koeppen table (lat, lon, class), ``*data.gz`` ETOPO's values beside ``*lats.gz`` and
    ``*lons.gz``, ``*.json`` the one-degree population of webgl-globe; anything else is for rasterio.
    """
    if not path.exists():
        raise InputError(f"{path}: no such raster")
    if path.name.endswith((".txt", ".txt.gz")):
        return read_koeppen(path)
    if path.name.endswith("data.gz"):
        return read_etopo(path)
    if path.name.endswith((".json", ".json.gz")):
        return read_population(path)
    with _opened(path):
        return GeoTiff(path)


def read_months(path: Path) -> Months:
    """Open the twelve months of a year: a folder of GeoTIFFs in the order of their names (WorldClim), or twelve bands.

    Raises InputError where there are not twelve.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in {".tif", ".tiff"})
        rasters = tuple(GeoTiff(file) for file in files)
    else:
        with _opened(path) as source:
            rasters = tuple(GeoTiff(path, band) for band in source.indexes)
    if len(rasters) != 12:
        raise InputError(f"{path}: expected 12 months, as GeoTIFFs in a folder or as bands, found {len(rasters)}")
    return Months(rasters)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import rasterio
    except ImportError as error:
        raise MissingToolError("rasters need rasterio: pip install 'pigeon-edge[train]'") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)  # refused below, in our words
            source = rasterio.open(path)
        with source:
            if source.crs is None:
                raise InputError(f"{path}: expected a georeferenced raster, found no coordinate system; gdal_edit it")
            yield source
    except rasterio.errors.RasterioError as error:
        raise InputError(f"{path}: cannot be read as a raster ({' '.join(str(error).split())})") from error


def _pixels(source: Any, lat_lng: Floats) -> tuple[Ints, Ints]:
    """Return row and column (N,); -1 for a coordinate that the projection does not have."""
    import rasterio.warp

    finite = np.isfinite(lat_lng).all(axis=1)
    lng, lat = np.where(finite, lat_lng[:, 1], 0.0), np.where(finite, lat_lng[:, 0], 0.0)
    if source.crs.is_geographic:
        left = source.transform.c
        x, y = left + (lng - left) % 360.0, lat  # whatever turn the file begins at
    else:
        x, y = (np.asarray(axis) for axis in rasterio.warp.transform("EPSG:4326", source.crs, lng, lat))
    finite &= np.isfinite(x) & np.isfinite(y)
    inverse = ~source.transform
    column = np.floor(inverse.a * x + inverse.b * y + inverse.c)
    row = np.floor(inverse.d * x + inverse.e * y + inverse.f)
    row = np.where((row == source.height) & (lat == -90), row - 1, row)  # the pole is the last pixel's edge
    return np.where(finite, row, -1).astype(np.int64), np.where(finite, column, -1).astype(np.int64)


def _windows(row: Ints, column: Ints, height: int, width: int) -> Iterator[Ints]:
    """Yield the points (M,) of every window that holds any."""
    inside = np.flatnonzero((row >= 0) & (row < height) & (column >= 0) & (column < width))
    across = -(-width // _WINDOW_PX)
    window = row[inside] // _WINDOW_PX * across + column[inside] // _WINDOW_PX
    order = np.argsort(window, kind="stable")
    for members in np.split(inside[order], np.flatnonzero(np.diff(window[order])) + 1):
        if len(members):
            yield members


def _values(source: Any, band: int, row: Ints, column: Ints) -> Floats:
    """Read the part of one window that points need; masked pixels and infinities are NaN."""
    from rasterio.windows import Window

    top, left = int(row.min()), int(column.min())
    size = Window(left, top, int(column.max()) - left + 1, int(row.max()) - top + 1)
    block = source.read(band, window=size, masked=True)
    picked = np.ma.filled(block[row - top, column - left].astype(np.float64), np.nan)
    return np.where(np.isfinite(picked), picked, np.nan)
