"""Views out of strips: flat views of one size side by side, each the next part of a turn to the right."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeon_edge.errors import InputError, UsageError

Crop: TypeAlias = Callable[[Image.Image], Image.Image]


def headings_deg(first_deg: float, views: int) -> list[float]:
    """Return the headings (views,) of a full turn clockwise from the first, in 0..360: 90 apart of four, 72 of five."""
    turned: npt.NDArray[np.float64] = np.mod(first_deg + np.arange(views) * 360 / views, 360)
    return [float(heading) for heading in np.round(turned, 4) % 360]


def cut_strip(strip: Image.Image, views: int) -> list[Image.Image]:
    """Return the views of a strip. Raises InputError where its width is no multiple of their number."""
    width, over = divmod(strip.width, views)
    if over or not width:
        raise InputError(f"expected a strip of {views} views of one width, found {strip.width} x {strip.height} pixels")
    return [strip.crop((view * width, 0, (view + 1) * width, strip.height)) for view in range(views)]


def crop_of(side_px: int | None, from_deg: float | None, to_deg: float | None) -> Crop:
    """Return what crops a view: to a square, to a field of view, or not at all.

    Raises UsageError where both are named, or one of two angles.
    """
    if from_deg is None and to_deg is None:
        return (lambda view: view) if side_px is None else partial(crop_square, side_px=side_px)
    if from_deg is None or to_deg is None or side_px is not None:
        raise UsageError("expected a side in pixels alone, or the field of view that views have and the one they get")
    return partial(crop_to_share, share=fov_share(from_deg, to_deg))


def crop_square(view: Image.Image, side_px: int) -> Image.Image:
    """Return the square in the middle of a view. Raises InputError where the view is smaller."""
    if side_px > min(view.size):
        raise InputError(f"expected views of {side_px} pixels or more each way, found {view.width} x {view.height}")
    return _centre(view, side_px, side_px)


def crop_to_share(view: Image.Image, share: float) -> Image.Image:
    """Return the middle of a view, a share (0..1] of its width and of its height."""
    return _centre(view, max(round(view.width * share), 1), max(round(view.height * share), 1))


def fov_share(from_deg: float, to_deg: float) -> float:
    """Return the share (0..1] of a flat image's width, ``from_deg`` across, that spans ``to_deg`` about its middle.

    A pinhole sees half an angle at its tangent from the middle: from 96 to 90 degrees it is 0.9004. PIGEON's code takes
    the arcsine of half the angle in radians: 0.9096 of the same two, which leaves 90.6 degrees.
    Raises UsageError for angles that no flat image spans, and where there is nothing to crop.
    """
    if not 0 < to_deg <= from_deg < 180:
        raise UsageError(
            f"expected fields of view of more than 0 and less than 180 degrees, cropped to the smaller, "
            f"found {from_deg:g} cropped to {to_deg:g}"
        )
    return math.tan(math.radians(to_deg) / 2) / math.tan(math.radians(from_deg) / 2)


def _centre(view: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (view.width - width) // 2, (view.height - height) // 2
    return view.crop((left, top, left + width, top + height))
