"""The outlines of geocells: spherical Voronoi polygons of their seeds, clipped to the land they divide.

Worked in gnomonic projections, in which great circles are straight lines: the border between two seeds is one. Outlines
are for maps; ``Partition.cell_of`` alone says where a point belongs. They agree to some metres.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import shapely

from pigeon_edge.geodesy import lat_lng_of, unit_vectors
from pigeon_training.cells.covering import Geometries
from pigeon_training.cells.partition import Partition
from pigeon_training.cells.territory import Territory
from pigeon_training.cells.tree import Split

Floats = npt.NDArray[np.float64]

TILE_DEG = 15.0
EDGE_DEG = 0.25
PLANE_GRID = 1e-9
"""The grid of the projections, in radii of the earth: some six millimetres."""
GRID_DEG = 1e-6
"""Coordinates are rounded to this, some ten centimetres, where the pieces of a cell are joined."""


def shapes_of(
    partition: Partition, territory: Territory, watch: Callable[[Sequence[int]], Iterable[int]] = tuple
) -> Geometries:
    """Return (C,) polygons in degrees of longitude and latitude, within [-180, 180]; empty where a cell has no land."""
    pieces: dict[int, list[shapely.Geometry]] = defaultdict(list)
    starts, part = np.unique(partition.roots, return_inverse=True)
    for number in watch(range(len(starts))):
        land = shapely.union_all(territory.leaf_geometry[part == number])
        if starts[number] < 0:
            pieces[int(~starts[number])].append(land)
            continue
        for tile in _tiles(land):
            for cell, shape in _divided(tile, int(starts[number]), partition.splits):
                pieces[cell].append(shape)
    joined = [shapely.union_all(shapely.make_valid(pieces[cell]), grid_size=GRID_DEG) for cell in range(len(partition))]
    return np.array([_polygons_only(shape) for shape in joined], object)


def _tiles(land: shapely.Geometry) -> Iterator[shapely.Geometry]:
    """Cut land into pieces that a gnomonic projection can hold, with edges short enough to be great circles."""
    west, south, east, north = shapely.bounds(land)
    for left in np.arange(-180.0, 180.0, TILE_DEG):
        for bottom in np.arange(-90.0, 90.0, TILE_DEG):
            if left <= east and left + TILE_DEG >= west and bottom <= north and bottom + TILE_DEG >= south:
                box = shapely.box(left, bottom, left + TILE_DEG, bottom + TILE_DEG)
                piece = _polygons_only(shapely.intersection(land, box))
                if not piece.is_empty:
                    yield shapely.segmentize(piece, EDGE_DEG)


def _divided(tile: shapely.Geometry, branch: int, splits: Sequence[Split]) -> Iterator[tuple[int, shapely.Geometry]]:
    """Yield cells and their parts of a tile, following the splits from ``branch`` down."""
    west, south, east, north = shapely.bounds(tile)
    frame = _frame((south + north) / 2, (west + east) / 2)
    flat = shapely.make_valid(shapely.transform(tile, lambda lng_lat: _to_plane(lng_lat, frame)))
    waiting = [(branch, _polygons_only(flat))]
    while waiting:
        branch, flat = waiting.pop()
        if branch < 0:
            fine = shapely.segmentize(flat, np.radians(EDGE_DEG))  # a straight line here is a curve in degrees
            yield ~branch, shapely.transform(fine, lambda plane: _to_lng_lat(plane, frame, (west + east) / 2))
            continue
        split = splits[branch]
        outlines: dict[int, list[shapely.Geometry]] = defaultdict(list)
        for seed, outline in _voronoi(split.seed_vectors @ frame.T, shapely.bounds(flat)):
            outlines[int(split.branch[seed])].append(shapely.polygons(outline))
        for further, own in outlines.items():
            area = shapely.union_all(own, grid_size=PLANE_GRID)
            inside = _polygons_only(shapely.intersection(flat, area, grid_size=PLANE_GRID))
            if not inside.is_empty:
                waiting.append((further, inside))


def _voronoi(seeds: Floats, bounds: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield seeds (S, 3) and their convex polygons (V, 2) in the plane, within bounds; only those that are not empty.

    The bisector of two seeds is a line: all (u, v, 1) with equal products. The nearest seeds cut first, until the next
    is more than twice as far as what is left of the polygon. A seed that is farther from the middle of the bounds than
    the nearest one by more than their extent is nearest to nothing within.
    """
    left, bottom, right, top = bounds + np.array([-1e-8, -1e-8, 1e-8, 1e-8])
    box = np.array([(left, bottom), (right, bottom), (right, top), (left, top)])
    middle = np.array([(left + right) / 2, (bottom + top) / 2, 1.0])
    away = _angles(seeds, middle / np.linalg.norm(middle))
    near = np.flatnonzero(away <= away.min() + 2 * _reach(box, middle / np.linalg.norm(middle)) + 1e-6)
    for number in near:
        seed, outline = seeds[number], box
        angles = _angles(seeds, seed)
        if (angles[:number] == 0).any():
            continue  # of seeds at one place the first has it all
        for other in near[np.argsort(angles[near], kind="stable")]:
            if angles[other] == 0:
                continue
            if angles[other] > 2 * _reach(outline, seed) + 1e-9:
                break
            outline = _half_plane(outline, seed - seeds[other])
            if len(outline) < 3:
                break
        if len(outline) >= 3:
            yield int(number), outline


def _reach(outline: Floats, seed: Floats) -> float:
    """Return the angle from a seed to the farthest corner."""
    corners = np.column_stack([outline, np.ones(len(outline))])
    return float(_angles(corners / np.linalg.norm(corners, axis=1, keepdims=True), seed).max())


def _angles(vectors: Floats, vector: Floats) -> Floats:
    """Return (N,) angles in radians between unit vectors (N, 3) and another, exact for near ones too."""
    return np.asarray(2 * np.arcsin(np.minimum(np.linalg.norm(vectors - vector, axis=1) / 2, 1.0)))


def _half_plane(outline: Floats, normal: Floats) -> Floats:
    """Return the part of a convex polygon (V, 2) where (u, v, 1) . normal is not negative."""
    height = outline @ normal[:2] + normal[2]
    inside = height >= 0
    if inside.all():
        return outline
    following, next_height = np.roll(outline, -1, axis=0), np.roll(height, -1)
    crossing = inside != np.roll(inside, -1)
    step = np.where(crossing, height / np.where(crossing, height - next_height, 1.0), 0.0)
    cut = outline + step[:, None] * (following - outline)
    kept = np.column_stack([inside, crossing]).ravel()
    return np.asarray(np.stack([outline, cut], axis=1).reshape(-1, 2)[kept])


def _frame(lat: float, lng: float) -> Floats:
    """Return the rotation (3, 3) that takes a place to (0, 0, 1), with east and north beside it."""
    up = unit_vectors((lat, lng))
    east = np.array([-np.sin(np.radians(lng)), np.cos(np.radians(lng)), 0.0])
    return np.stack([east, np.cross(up, east), up])


def _to_plane(lng_lat: Floats, frame: Floats) -> Floats:
    turned = unit_vectors(lng_lat[:, ::-1]) @ frame.T
    return np.asarray(turned[:, :2] / turned[:, 2:])


def _to_lng_lat(plane: Floats, frame: Floats, middle_lng: float) -> Floats:
    """Return (N, 2) degrees, longitudes on the side of the antimeridian that the tile is on."""
    lat, lng = lat_lng_of(np.column_stack([plane, np.ones(len(plane))]) @ frame).T
    lng = middle_lng + (lng - middle_lng + 180.0) % 360.0 - 180.0
    return np.stack([np.clip(lng, -180.0, 180.0), lat], axis=1)


def _polygons_only(shape: shapely.Geometry) -> shapely.Geometry:
    """Drop points and lines, which cutting leaves where outlines only touch."""
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == 3])
