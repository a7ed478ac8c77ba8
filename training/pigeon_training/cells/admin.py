"""Administrative boundaries: GeoJSON files into names and polygons, and which polygon covers a point."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import wrap_lng

Geometries = npt.NDArray[np.object_]
Ints = npt.NDArray[np.int64]

CODE_KEYS = ("country_code", "iso_a2", "ISO_A2", "iso_a2_eh", "ISO_A2_EH")
CODE3_KEYS = ("adm0_a3", "ADM0_A3", "iso_a3", "ISO_A3", "shapeGroup", "GID_0")
COUNTRY_KEYS = ("country", "admin", "ADMIN", "COUNTRY", "NAME_0")
ADMIN1_KEYS = ("admin1", "NAME_1", "name", "NAME", "shapeName")
ADMIN2_KEYS = ("admin2", "NAME_2", "name", "NAME", "shapeName")


@dataclass(frozen=True)
class BoundaryLevel:
    """One file of boundaries: of each feature its country's codes of two and three letters, its names, its polygons."""

    code: tuple[str, ...]
    code3: tuple[str, ...]
    country: tuple[str, ...]
    admin1: tuple[str, ...]
    admin2: tuple[str, ...]
    geometry: Geometries


def read_level(path: Path, depth: int) -> BoundaryLevel:
    """Read GeoJSON, ``.gz`` too; ``depth`` is 0 for countries, 1 and 2 for the regions inside them.

    Understands the names of Natural Earth, geoBoundaries and GADM. Raises InputError where there are no polygons.
    """
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        features = [f for f in json.loads(text)["features"] if f.get("geometry")]
        shapes = shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features])
    except (OSError, EOFError, ValueError, KeyError, TypeError, shapely.errors.GEOSException) as error:
        raise InputError(f"{path}: expected boundaries (GeoJSON or .geojson.gz with polygons), {error}") from error
    kept = [
        n for n, shape in enumerate(shapes) if shape.geom_type in {"Polygon", "MultiPolygon"} and not shape.is_empty
    ]
    if not kept:
        raise InputError(f"{path}: expected polygons of regions, found none; give a file of boundaries")
    records = [features[n].get("properties") or {} for n in kept]
    country = COUNTRY_KEYS if depth else (*COUNTRY_KEYS, "name", "NAME", "shapeName")
    return BoundaryLevel(
        tuple(_code(record, CODE_KEYS, 2) for record in records),
        tuple(_code(record, CODE3_KEYS, 3) for record in records),
        tuple(_first(record, country) for record in records),
        tuple(_first(record, (ADMIN1_KEYS if depth == 1 else ADMIN1_KEYS[:2]) if depth else ()) for record in records),
        tuple(_first(record, ADMIN2_KEYS if depth > 1 else ()) for record in records),
        _mended(shapes[kept]),
    )


def covering(geometry: Geometries, lat_lng: npt.NDArray[np.float64]) -> Ints:
    """Return (N,) the first polygon that covers each point (N, 2), -1 where none does. Borders count as covered."""
    answer = np.full(len(lat_lng), len(geometry), np.int64)
    points = shapely.points(wrap_lng(lat_lng[:, 1]), lat_lng[:, 0])
    polygon, point = shapely.STRtree(points).query(geometry, predicate="intersects")
    np.minimum.at(answer, point, polygon)
    return np.where(answer == len(geometry), -1, answer)


def _mended(shapes: Geometries) -> Geometries:
    broken = ~shapely.is_valid(shapes)
    shapes = shapes.copy()
    shapes[broken] = shapely.buffer(shapes[broken], 0.0)
    return shapes


def _first(record: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((str(record[key]).strip() for key in keys if record.get(key)), "")


def _code(record: dict[str, Any], keys: tuple[str, ...], length: int) -> str:
    """Return the first code of that many letters; Natural Earth writes -99 where there is none."""
    found = (str(record.get(key) or "").strip() for key in keys)
    return next((code for code in found if len(code) == length and code.isalpha()), "")
