"""Countries and regions as polygons: read from a publisher's file, and which of them holds each of many points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from pigeon_edge.errors import InputError, MissingToolError
from pigeon_edge.geodesy import Floats, wrap_lng
from pigeon_training.data.geography.antimeridian import Shapes, into_world
from pigeon_training.data.geography.nearest_edge import EdgeIndex, Ints, index_edges
from pigeon_training.data.geography.region_names import RegionName, region_names

REACH_KM = 50.0
"""How far off the nearest region a photograph may be: harbours, piers, islets that a simplified coast leaves out."""

_CHUNK = 250_000
_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True, eq=False)
class Boundaries:
    """Regions with their names: ``shapes`` (R,) are valid (multi)polygons, longitude first, within [-180, 180].

    Where shapes overlap, the smaller region has the point (an enclave that its neighbour's file forgot to cut out),
    then the one that comes first in the file.
    """

    names: tuple[RegionName, ...]
    shapes: Shapes

    @property
    def level(self) -> int:
        """0 for countries, 1 for first-level regions, 2 for second-level ones: the finest that the names state."""
        return max((2 if name.admin2 else 1 if name.admin1 else 0 for name in self.names), default=0)

    def region_of(self, lat_lng: npt.ArrayLike, reach_km: float = REACH_KM) -> Ints:
        """Return the index (N,) of the region that each of (N, 2) coordinates lies in.

        A point in no region belongs to the one whose border is nearest by great circle, within ``reach_km``, else to
        none: -1. So does a coordinate that is not finite.
        """
        points = np.asarray(lat_lng, np.float64).reshape(-1, 2)
        regions = np.full(len(points), -1, np.int64)
        usable = np.flatnonzero(np.isfinite(points).all(axis=1))
        for start in range(0, len(usable), _CHUNK):
            part = usable[start : start + _CHUNK]
            regions[part] = self._containing(points[part])
        lost = usable[regions[usable] < 0]
        if reach_km > 0 and len(lost) and len(self._parts):
            parts = self._edges.nearest(points[lost], reach_km, self._rank[self._owner])
            regions[lost] = np.where(parts < 0, -1, self._owner[parts])
        return regions

    def inner_lat_lng(self, regions: Ints) -> Floats:
        """Return a point (R, 2) inside the largest part, by area in degrees, of each of (R,) regions."""
        largest = [max(shapely.get_parts(self.shapes[region]), key=shapely.area) for region in regions]
        points = shapely.point_on_surface(np.array(largest, object))
        return np.column_stack([shapely.get_y(points), shapely.get_x(points)])

    def _containing(self, lat_lng: Floats) -> Ints:
        """Query the points' tree with every polygon: a prepared polygon answers thousands of points at once."""
        lng = wrap_lng(lat_lng[:, 1])
        seam = np.flatnonzero(lng == -180.0)  # such a point lies on both edges of the world
        x, y = np.concatenate([lng, -lng[seam]]), np.concatenate([lat_lng[:, 0], lat_lng[seam, 0]])
        point_of = np.concatenate([np.arange(len(lng)), seam])
        part, point = shapely.STRtree(shapely.points(x, y)).query(self._parts, predicate="intersects")
        best = np.full(len(lng), len(self.shapes), np.int64)
        np.minimum.at(best, point_of[point], self._rank[self._owner[part]])
        return np.append(self._by_rank, -1)[best]

    @cached_property
    def _exploded(self) -> tuple[Shapes, Ints]:
        parts, owner = shapely.get_parts(self.shapes, return_index=True)
        return parts, owner.astype(np.int64)

    @property
    def _parts(self) -> Shapes:
        return self._exploded[0]

    @property
    def _owner(self) -> Ints:
        return self._exploded[1]

    @cached_property
    def _by_rank(self) -> Ints:
        """Regions by area on the sphere, by Lambert's equal-area cylinder; equal ones as in the file."""
        flat = shapely.transform(self.shapes, lambda xy: np.column_stack([xy[:, 0], np.sin(np.radians(xy[:, 1]))]))
        return np.argsort(shapely.area(flat), kind="stable").astype(np.int64)

    @cached_property
    def _rank(self) -> Ints:
        rank = np.empty(len(self.shapes), np.int64)
        rank[self._by_rank] = np.arange(len(rank))
        return rank

    @cached_property
    def _edges(self) -> EdgeIndex:
        return index_edges(self._parts)


def read_boundaries(path: Path | str) -> Boundaries:
    """Read GeoJSON, GeoPackage or Shapefile, also gzipped or zipped; ``FILE#LAYER`` picks one of several layers.

    Known columns are those of geoBoundaries CGAZ, Natural Earth, GADM, and this project's own (``country_code, country,
    admin1, admin2``). Raises InputError where the file cannot be read, its columns are unknown, or its coordinates are
    not degrees; MissingToolError without the ``train`` extra.
    """
    name, _, layer = str(path).partition("#")
    if not Path(name).exists():
        raise InputError(f"{name}: no such boundary file")
    rows, shapes = _read(name, layer)
    names = region_names(rows)
    if not names:
        found = ", ".join(sorted(rows[0])) if rows else "no features"
        raise InputError(
            f"{name}: expected the columns of geoBoundaries, Natural Earth or GADM, or country_code, found {found}; "
            "rename its columns to country_code, country, admin1, admin2"
        )
    made = into_world(shapes)
    kept = np.flatnonzero(~shapely.is_empty(made))
    return Boundaries(tuple(names[number] for number in kept), made[kept])


def _read(name: str, layer: str) -> tuple[Sequence[Mapping[str, object]], Shapes]:
    try:
        import pyogrio
    except ImportError as error:
        raise MissingToolError("boundary files need pyogrio: pip install 'pigeon-edge[train]'") from error
    source = f"/vsigzip/{name}" if name.endswith(".gz") else name
    try:
        layers = [str(found) for found, _ in pyogrio.list_layers(source)]
        if not layer and len(layers) > 1:
            raise InputError(
                f"{name}: expected one layer, found {', '.join(layers)}; choose one, as {name}#{layers[0]}"
            )
        facts, _, shapes, values = pyogrio.raw.read(source, layer=layer or layers[0], force_2d=True)
        geometries = shapely.from_wkb(shapes)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, shapely.GEOSException, ValueError) as error:
        raise InputError(f"{name}: cannot be read as boundaries ({' '.join(str(error).split())})") from error
    if not np.isin(shapely.get_type_id(geometries), _POLYGONS).any():
        raise InputError(f"{name}: expected polygons of regions, found none; give a file of boundaries")
    _check_degrees(name, facts["crs"], geometries)
    columns = [str(column).lower() for column in facts["fields"]]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)], geometries


def _check_degrees(name: str, crs: Any, shapes: Shapes) -> None:
    """Refuse metres: whatever a file calls its coordinates, none in degrees is beyond one and a half turns."""
    bounds = np.abs(shapely.total_bounds(shapes))
    if (bounds[[0, 2]] > 540).any() or (bounds[[1, 3]] > 90 + 1e-6).any():
        raise InputError(
            f"{name}: expected longitude and latitude in degrees, found {crs}; ogr2ogr -t_srs EPSG:4326 first"
        )
