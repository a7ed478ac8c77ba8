"""Geocells as GeoJSON (RFC 7946): cut at the antimeridian, outer rings anticlockwise, names as properties."""

from __future__ import annotations

import json
from pathlib import Path

import shapely

from pigeon_training.cells.covering import Geometries
from pigeon_training.cells.partition import Partition


def write_geojson(path: Path, partition: Partition, shapes: Geometries) -> None:
    """Write one feature a cell, in their order; a cell without land has no geometry."""
    head, tail = '{"type": "FeatureCollection", "features": [\n', "\n]}\n"
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        for number, (cell, shape) in enumerate(zip(partition.cells, shapes, strict=True)):
            names = {"country_code": cell.country_code, "country": cell.country, "admin1": list(cell.regions)}
            lat, lng = cell.centroid_lat_lng
            properties = {"cell": number, **names, "photographs": cell.size, "centroid_lat": lat, "centroid_lng": lng}
            feature = {"type": "Feature", "id": cell.id, "properties": properties, "geometry": _geometry(shape)}
            file.write((",\n" if number else "") + json.dumps(feature, ensure_ascii=False))
        file.write(tail)


def _geometry(shape: shapely.Geometry) -> dict[str, object] | None:
    if shape.is_empty:
        return None
    turned = shapely.orient_polygons(shape)
    return dict(json.loads(shapely.to_geojson(turned)))
