"""A map of geocells as a picture: every cell in a colour that its neighbours do not have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely
from PIL import Image, ImageDraw, ImageFont

from pigeon_training.cells.covering import Geometries
from pigeon_training.cells.partition import Partition

Floats = npt.NDArray[np.float64]
Rgb = tuple[int, int, int]

SEA: Rgb = (233, 239, 244)
LINE: Rgb = (255, 255, 255)
LAND: Rgb = (226, 222, 212)
BORDER: Rgb = (92, 100, 114)
INK: Rgb = (45, 52, 64)
PALETTE: tuple[Rgb, ...] = (
    (238, 190, 132), (154, 196, 180), (226, 149, 132), (163, 177, 214), (222, 211, 142), (186, 160, 196),
    (150, 190, 132), (214, 170, 170), (130, 172, 196), (200, 186, 160),
)  # fmt: skip
OVERSAMPLE = 2
MARGIN = 0.03
SPECK_PX = 60.0
CLOSING = 6e-4
"""Gaps between the polygons of a simplified file, in radii of the earth, that are no borders."""
EQUAL_EARTH = (1.340264, -0.081106, 0.000893, 0.003796)
"""Coefficients of the Equal Earth projection (Šavrič, Patterson and Jenny 2018)."""


def map_of_shapes(partition: Partition, shapes: Geometries, width_px: int = 3200) -> Image.Image:
    """Return the cells' areas, with countries outlined, on the smallest map that holds them all."""
    drawn = np.flatnonzero(~shapely.is_empty(shapes))
    flat = _closed(shapely.transform(shapely.segmentize(shapes[drawn], 1.0), to_plane))
    canvas = _Canvas(shapely.total_bounds(flat), width_px)
    colours = _colours(shapes[drawn])
    large_first = np.argsort(-shapely.area(flat), kind="stable")
    nations = np.array([f"{partition.cells[n].country_code}|{partition.cells[n].country}" for n in drawn])
    joined = [shapely.union_all(flat[nations == nation], grid_size=1e-7) for nation in np.unique(nations)]
    outlines = _closed(np.array(joined, object))
    for outline in outlines:
        canvas.fill(outline, LAND)
    for number in large_first:
        canvas.fill(flat[number], PALETTE[colours[number]])
    for number in large_first:
        canvas.line(flat[number], LINE, 1)
    for outline in outlines:
        canvas.line(outline, BORDER, 2)
    return canvas.finished(_title(partition))


def map_of_points(
    partition: Partition, lat_lng: Floats, cell: npt.NDArray[np.int64], width_px: int = 2400
) -> Image.Image:
    """Return the photographs (N, 2) as dots in the colours of their cells (N,), where there are no areas to draw."""
    dots = to_plane(lat_lng[:, ::-1])
    canvas = _Canvas(np.concatenate([dots.min(axis=0), dots.max(axis=0)]), width_px)
    for number, dot in zip(cell.tolist(), dots, strict=True):
        canvas.dot(dot, PALETTE[number * 7 % len(PALETTE)], 5)
    for centroid in to_plane(partition.centroid_lat_lng[:, ::-1]):
        canvas.dot(centroid, INK, 3)
    return canvas.finished(_title(partition))


def to_plane(lng_lat: Floats) -> Floats:
    """Return (N, 2) positions in the Equal Earth projection, in which areas are true."""
    a, b, c, d = EQUAL_EARTH
    lng, lat = np.radians(lng_lat).T
    theta = np.arcsin(np.sqrt(3) / 2 * np.sin(lat))
    slope = 9 * d * theta**8 + 7 * c * theta**6 + 3 * b * theta**2 + a
    x = 2 * np.sqrt(3) * lng * np.cos(theta) / (3 * slope)
    return np.stack([x, d * theta**9 + c * theta**7 + b * theta**3 + a * theta], axis=1)


class _Canvas:
    """A picture in the making: positions in the plane become pixels, drawn twice as large as they are shown."""

    def __init__(self, bounds: Floats, width_px: int) -> None:
        left, bottom, right, top = bounds
        extent = max(right - left, (top - bottom) / 2, 1e-3)
        self.scale = width_px * OVERSAMPLE * (1 - 2 * MARGIN) / extent
        edge = width_px * OVERSAMPLE * MARGIN
        self.shift = np.array([edge - left * self.scale, edge + top * self.scale])
        height = int((top - bottom) * self.scale + 2 * edge)
        self.image = Image.new("RGB", (width_px * OVERSAMPLE, height), SEA)
        self.draw = ImageDraw.Draw(self.image)

    def fill(self, shape: shapely.Geometry, rgb: Rgb) -> None:
        """Fill polygons, their holes left as they were."""
        for polygon in shapely.get_parts(shape):
            outer, *holes = [self._pixels(ring) for ring in shapely.get_rings(polygon)]
            if not holes:
                self.draw.polygon(outer, fill=rgb)
                continue
            corner = np.floor(np.min(outer, axis=0)).astype(int)
            size = np.ceil(np.max(outer, axis=0)).astype(int) - corner + 1
            mask = Image.new("1", (int(size[0]), int(size[1])), 0)
            draw = ImageDraw.Draw(mask)
            for number, ring in enumerate([outer, *holes]):
                draw.polygon([(x - corner[0], y - corner[1]) for x, y in ring], fill=1 - min(number, 1))
            self.image.paste(rgb, (int(corner[0]), int(corner[1])), mask)

    def line(self, shape: shapely.Geometry, rgb: Rgb, width: int) -> None:
        """Draw the outlines of polygons."""
        for ring in shapely.get_rings(shapely.get_parts(shape)):
            if shapely.area(shapely.polygons(ring)) * self.scale**2 > SPECK_PX:  # else it is all outline
                self.draw.line(self._pixels(ring), fill=rgb, width=width, joint="curve")

    def dot(self, position: Floats, rgb: Rgb, radius: int) -> None:
        """Draw a disc."""
        x, y = position * (self.scale, -self.scale) + self.shift
        self.draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=rgb)

    def finished(self, lines: Sequence[str]) -> Image.Image:
        """Return the picture at its own size, with a line of words beneath."""
        width, height = self.image.width // OVERSAMPLE, self.image.height // OVERSAMPLE
        size = max(14, width // 100)
        picture = Image.new("RGB", (width, height + 2 * size * len(lines)), SEA)
        picture.paste(self.image.resize((width, height), Image.Resampling.LANCZOS))
        draw = ImageDraw.Draw(picture)
        for number, line in enumerate(lines):
            at = (int(width * MARGIN), int(height + (2 * number - 0.3) * size))
            draw.text(at, line, fill=INK, font=ImageFont.load_default(size))
        return picture

    def _pixels(self, ring: shapely.Geometry) -> list[tuple[float, float]]:
        at = shapely.get_coordinates(ring) * (self.scale, -self.scale) + self.shift
        return [(x, y) for x, y in at.tolist()]


def _colours(shapes: Geometries) -> list[int]:
    """Return a number of the palette for each shape: the least used one that no neighbour has, where there is one."""
    one, other = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=0.02)
    neighbours: list[set[int]] = [set() for _ in shapes]
    for a, b in zip(one.tolist(), other.tolist(), strict=True):
        neighbours[a].add(b)
    colours, used = [-1] * len(shapes), [0] * len(PALETTE)
    for number in sorted(range(len(shapes)), key=lambda n: (-len(neighbours[n]), n)):
        taken = {colours[n] for n in neighbours[number]}
        free = [c for c in range(len(PALETTE)) if c not in taken] or list(range(len(PALETTE)))
        colours[number] = min(free, key=lambda c: (used[c], c))
        used[colours[number]] += 1
    return colours


def _closed(shape: Geometries) -> Geometries:
    """Close gaps between neighbouring polygons; a speck that rounding would swallow stays as it is."""
    closed = shapely.buffer(shapely.buffer(shape, CLOSING, quad_segs=1), -CLOSING, quad_segs=1)
    return np.where(shapely.is_empty(closed), shape, closed)


def _title(partition: Partition) -> list[str]:
    photographs = sum(cell.size for cell in partition.cells)
    countries = len({(cell.country_code, cell.country) for cell in partition.cells})
    return [f"{len(partition):,} geocells of {photographs:,} photographs in {countries:,} countries"]
