"""The land as regions of the finest level known there, and the one region of every point of the sphere."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely

from pigeon_edge.geodesy import unit_vectors
from pigeon_training.cells.covering import Geometries, covering
from pigeon_training.cells.geocell import Region

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

OUTLINE_STEP_DEG = 0.25
TOUCH_DEG = 0.05
"""Regions this near share a border: the polygons of a simplified file leave gaps between neighbours."""


@dataclass(frozen=True)
class Territory:
    """Polygons (P,) from the finest level to the coarsest, small before large, in degrees of longitude and latitude.

    ``level`` (P,) is 0 for the finest, ``parent`` (P,) the coarser polygon that a polygon is a part of, or -1.
    ``region`` (P,) is the polygon's region, or -1 where finer polygons divide it; each region has one polygon.
    """

    regions: tuple[Region, ...]
    geometry: Geometries
    level: Ints
    parent: Ints
    region: Ints

    def region_of(self, lat_lng: Floats) -> Ints:
        """Return (N,) the region of each point (N, 2): always exactly one, at sea and at the poles too.

        That is the finest polygon that covers the point, of several the smallest: simplified files forget enclaves.
        Where only a coarser polygon covers it, the region inside that one whose outline is nearest; where none does,
        the region of the nearest outline. Outlines are looked at every quarter of a degree and at every corner.
        """
        lat_lng = np.asarray(lat_lng, np.float64).reshape(-1, 2)
        answer, vectors = np.full(len(lat_lng), -1, np.int64), unit_vectors(lat_lng)
        for level in range(int(self.level.max()) + 1):
            of_level = np.flatnonzero(self.level == level)
            open_points = np.flatnonzero(answer < 0)
            found = covering(self.geometry[of_level], lat_lng[open_points])
            polygon = np.where(found >= 0, of_level[found], -1)
            answer[open_points] = np.where(found >= 0, self.region[polygon], -1)
            for divided in np.unique(polygon[(polygon >= 0) & (self.region[polygon] < 0)]):
                within = open_points[polygon == divided]
                answer[within] = self._nearest(vectors[within], self._beneath[int(divided)])
        at_sea = np.flatnonzero(answer < 0)
        answer[at_sea] = self._nearest(vectors[at_sea], None)
        return answer

    @cached_property
    def leaf_geometry(self) -> Geometries:
        """(R,) the polygons of the regions without overlap: fine ones and small ones first, as in ``region_of``."""
        shapes = self.geometry[self._polygon]
        over, under = shapely.STRtree(shapes).query(shapes, predicate="intersects")
        first = self._polygon[under] < self._polygon[over]
        order = np.argsort(over[first], kind="stable")
        over, under = over[first][order], under[first][order]
        cut = shapes.copy()
        for near in np.split(np.arange(len(over)), np.flatnonzero(np.diff(over)) + 1):
            if len(near):
                cut[over[near[0]]] = shapely.difference(shapes[over[near[0]]], shapely.union_all(shapes[under[near]]))
        return np.asarray(cut)

    @cached_property
    def middles(self) -> Floats:
        """(R, 3) unit vectors to a point inside each region."""
        inside = shapely.point_on_surface(self.geometry[self._polygon])
        return unit_vectors(np.stack([shapely.get_y(inside), shapely.get_x(inside)], axis=1))

    @cached_property
    def neighbours(self) -> tuple[set[int], ...]:
        """The regions that border on each, across the antimeridian too."""
        shapes = self.geometry[self._polygon]
        eastern = np.flatnonzero(shapely.bounds(shapes)[:, 2] > 180 - TOUCH_DEG)
        moved = shapely.transform(shapes[eastern], lambda lng_lat: lng_lat - (360.0, 0.0))
        tree = shapely.STRtree(shapes)
        here, there = tree.query(shapes, predicate="dwithin", distance=TOUCH_DEG)
        east, west = tree.query(moved, predicate="dwithin", distance=TOUCH_DEG)
        pairs = np.column_stack([np.concatenate([here, eastern[east]]), np.concatenate([there, west])])
        answer: tuple[set[int], ...] = tuple(set() for _ in self.regions)
        for one, other in pairs.tolist():
            if one != other:
                answer[one].add(other)
                answer[other].add(one)
        return answer

    def _nearest(self, vectors: Floats, among: Ints | None) -> Ints:
        """Return (N,) the region whose outline is nearest to each unit vector (N, 3), among some or all."""
        from scipy.spatial import cKDTree

        if not len(vectors):
            return np.empty(0, np.int64)
        outline, owner = self._outline
        if among is not None:
            kept = np.isin(owner, among)
            outline, owner = outline[kept], owner[kept]
            return np.asarray(owner[cKDTree(outline).query(vectors)[1]], np.int64)
        return np.asarray(owner[self._tree.query(vectors)[1]], np.int64)

    @cached_property
    def _outline(self) -> tuple[Floats, Ints]:
        """Points (V, 3) of the regions' outlines, and the region (V,) of each."""
        dense = shapely.segmentize(self.geometry[self._polygon], OUTLINE_STEP_DEG)
        lng_lat, owner = shapely.get_coordinates(dense, return_index=True)
        return unit_vectors(lng_lat[:, ::-1]), owner.astype(np.int64)

    @cached_property
    def _polygon(self) -> Ints:
        """(R,) the polygon of each region."""
        polygon = np.flatnonzero(self.region >= 0)
        return polygon[np.argsort(self.region[polygon])]

    @cached_property
    def _beneath(self) -> dict[int, Ints]:
        """The regions inside each polygon that finer ones divide."""
        inside: dict[int, list[int]] = defaultdict(list)
        for region, polygon in enumerate(self._polygon.tolist()):
            above = int(self.parent[polygon])
            while above >= 0:
                inside[above].append(region)
                above = int(self.parent[above])
        return {polygon: np.array(regions) for polygon, regions in inside.items()}

    @cached_property
    def _tree(self):  # type: ignore[no-untyped-def]  # scipy has no stubs
        from scipy.spatial import cKDTree

        return cKDTree(self._outline[0])
