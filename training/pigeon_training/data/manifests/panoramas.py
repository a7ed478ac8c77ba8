"""Views out of equirectangular panoramas: what a pinhole camera in their middle sees (gnomonic projection)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.images.preprocess import Pixels

_FINENESS = 2
"""Rays a pixel each way, averaged: fine structure is smoothed, not left to chance."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pinhole:
    """A level camera of square pictures, ``size_px`` wide, that span ``fov_deg`` across."""

    size_px: int
    fov_deg: float

    def __post_init__(self) -> None:
        if not 0 < self.fov_deg < 180 or self.size_px < 1:
            raise UsageError(
                "expected a field of view of more than 0 and less than 180 degrees and a pixel or more, "
                f"found {self.fov_deg:g} degrees and {self.size_px} pixels"
            )

    @property
    def focal_px(self) -> float:
        """The distance of the picture from the pinhole, in its pixels."""
        return self.size_px / (2 * math.tan(math.radians(self.fov_deg) / 2))


def panorama_views(panorama: Image.Image, views: int, camera: Pinhole) -> list[Image.Image]:
    """Return the views of a full turn to the right; the first looks at the panorama's middle column.

    Raises InputError where the panorama is not twice as wide as high: only whole spheres are read.
    """
    if panorama.width != 2 * panorama.height:
        raise InputError(
            "expected an equirectangular panorama, twice as wide as high, "
            f"found {panorama.width} x {panorama.height} pixels"
        )
    rays = Pinhole(camera.size_px * _FINENESS, camera.fov_deg)
    sphere = _no_finer(panorama, rays.focal_px)
    return [Image.fromarray(_seen(sphere, 2 * math.pi * view / views, rays)).reduce(_FINENESS) for view in range(views)]


def _no_finer(panorama: Image.Image, focal_px: float) -> Pixels:
    """Return pixels (H, 2 H, 3) of a panorama whose pixels are no smaller than those in the middle of the view."""
    height = min(panorama.height, math.ceil(math.pi * focal_px))
    resized = panorama.resize((2 * height, height), Image.Resampling.BOX) if height < panorama.height else panorama
    return np.asarray(resized, np.uint8)


def _seen(sphere: Pixels, yaw_rad: float, camera: Pinhole) -> Pixels:
    """Return (S, S, 3) uint8 of a sphere (H, 2 H, 3) by a camera turned ``yaw_rad`` right of its middle column."""
    height, width = sphere.shape[:2]
    offset = (np.arange(camera.size_px) + 0.5 - camera.size_px / 2) / camera.focal_px  # (S,)
    azimuth_rad = yaw_rad + np.arctan(offset)  # (S,): of a column, whatever the row
    depression_rad = np.arctan(offset[:, None] * np.cos(np.arctan(offset)))  # (S, S)
    column = (azimuth_rad / (2 * math.pi) + 0.5) * width - 0.5  # (S,)
    row = (depression_rad / math.pi + 0.5) * height - 0.5  # (S, S)
    return _interpolated(sphere, row, np.broadcast_to(column, row.shape))


def _interpolated(sphere: Pixels, row: npt.NDArray[np.float64], column: npt.NDArray[np.float64]) -> Pixels:
    """Return (S, S, 3) uint8 between the four pixels about each place; columns go round, rows end at the poles."""
    height, width = sphere.shape[:2]
    top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    down, right = (row - top)[..., None].astype(np.float32), (column - left)[..., None].astype(np.float32)
    rows = [np.clip(top + step, 0, height - 1) for step in (0, 1)]
    columns = [(left + step) % width for step in (0, 1)]
    upper, lower = (
        sphere[each, columns[0]] * (1 - right) + sphere[each, columns[1]] * right for each in rows
    )  # (S, S, 3) float32 each
    mixed: Floats = upper * (1 - down) + lower * down
    return np.rint(mixed).astype(np.uint8)
