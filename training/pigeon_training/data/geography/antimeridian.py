"""Shapes as boundary files give them, brought into the one world from -180 to 180 degrees, and made valid.

Files cross the antimeridian in three ways: cut in two at 180 degrees (RFC 7946, section 3.1.9), with longitudes that go
on past 180, or with an edge that jumps from 179 to -179. The second and third are cut here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

Shapes: TypeAlias = npt.NDArray[np.object_]

_WORLD_TURNS = (-360.0, 0.0, 360.0)


def into_world(shapes: Shapes) -> Shapes:
    """Return valid polygons and multipolygons (R,), every longitude in [-180, 180]; empty ones where none is left."""
    made = np.array([_polygonal(shape) for shape in shapes], object)
    parts, owner = shapely.get_parts(made, return_index=True)
    suspects = np.unique(owner[_leaves_world(parts)])
    for number in suspects:
        pieces = [piece for part in shapely.get_parts(made[number]) for piece in _cut(part)]
        made[number] = _polygonal(shapely.union_all(np.array(pieces, object)))
    return made


def _polygonal(shape: Any) -> Any:
    """Return the shape as a valid (multi)polygon; self-crossing rings are mended by structure, lines dropped."""
    flat = shapely.force_2d(shape)
    if flat is None or shapely.is_empty(flat):
        return shapely.MultiPolygon()
    if _is_area(flat) and (shapely.is_valid(flat) or _leaves_world(shapely.get_parts([flat])).any()):
        return flat
    mended = shapely.make_valid(flat, method="structure", keep_collapsed=False)
    areas = [part for part in _leaves(mended) if shapely.get_type_id(part) == shapely.GeometryType.POLYGON]
    return shapely.MultiPolygon(areas)


def _is_area(shape: Any) -> bool:
    return shapely.get_type_id(shape) in {shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON}


def _leaves(shape: Any) -> list[Any]:
    if shapely.get_type_id(shape) < shapely.GeometryType.MULTIPOINT:
        return [shape]
    return [leaf for part in shapely.get_parts(shape) for leaf in _leaves(part)]


def _leaves_world(parts: Shapes) -> npt.NDArray[np.bool_]:
    """Tell which polygons (P,) go past 180 degrees or have an edge of more than half a turn (but not a whole one)."""
    found = np.zeros(len(parts), np.bool_)
    xy, owner = shapely.get_coordinates(parts, return_index=True)
    found[owner[np.abs(xy[:, 0]) > 180]] = True
    step = np.abs(np.diff(xy[:, 0]))
    found[owner[1:][(step > 180) & (step < 360) & (owner[1:] == owner[:-1])]] = True
    return found


def _cut(polygon: Any) -> list[Any]:
    """Return the pieces of one polygon in [-180, 180], after unrolling the edges that jump."""
    outer = _unrolled(shapely.get_coordinates(polygon.exterior))
    middle = outer[:, 0].mean()
    holes = [_beside(_unrolled(shapely.get_coordinates(ring)), middle) for ring in polygon.interiors]
    whole = _polygonal(shapely.Polygon(outer, holes)) if shapely.Polygon(outer).is_valid else None
    whole = whole or shapely.make_valid(shapely.Polygon(outer, holes), method="structure", keep_collapsed=False)
    pieces = []
    for turn in _WORLD_TURNS:
        piece = shapely.intersection(whole, shapely.box(turn - 180, -90, turn + 180, 90))
        pieces.append(shapely.transform(piece, lambda xy, turn=turn: xy - (turn, 0.0)))
    return [piece for piece in pieces if not shapely.is_empty(piece) and shapely.area(piece) > 0]


def _unrolled(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a ring (N, 2) without jumps; a ring round a pole does not close that way and comes back as it is."""
    step = np.diff(xy[:, 0])
    turns = np.where((np.abs(step) > 180) & (np.abs(step) < 360), -360 * np.sign(step), 0.0)
    if abs(turns.sum()) > 1:
        return xy
    return np.column_stack([xy[:, 0] + np.concatenate([[0.0], np.cumsum(turns)]), xy[:, 1]])


def _beside(xy: npt.NDArray[np.float64], middle: float) -> npt.NDArray[np.float64]:
    turns = np.round((middle - xy[:, 0].mean()) / 360)
    return np.column_stack([xy[:, 0] + 360 * turns, xy[:, 1]])
