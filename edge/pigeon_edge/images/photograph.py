"""Photographs in files: any image that Pillow reads, upright, in 8-bit sRGB; and the position that it carries."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin, TiffImagePlugin

from pigeon_edge.geodesy import LatLng
from pigeon_edge.images.colour import to_srgb
from pigeon_edge.images.opening import DECODE_ERRORS, check_size, opened
from pigeon_edge.images.position import Position, position_of
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec, to_square

DEFAULT_MAX_PIXELS = 250_000_000
"""Beyond any single-shot camera of today, and 750 MB once decoded."""

MARGIN = 1.5
"""The short side of a JPEG decoded at reduced scale, in sides of the target, at the least.

At 1.5, 12 megapixels are decoded at an eighth for 224 px, and embeddings keep a cosine of 0.995 to those of a full
decode, as a test holds.
"""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, tag 0x0112: the operation that brings an image of each orientation upright."""

_ON_ITS_SIDE = frozenset((5, 6, 7, 8))
"""Orientations whose width is the height of what is stored."""


@dataclass(frozen=True)
class Photograph:
    """A decoded photograph: ``pixels`` (size_px, size_px, 3) uint8, and ``size`` as it is seen upright, width first.

    ``position`` is what the file says of where it was taken, None where it says nothing. ``note`` is what a user should
    know of how it was read, None where there is nothing to know.
    """

    pixels: Pixels
    size: tuple[int, int]
    position: Position | None
    note: str | None


def read_photograph(path: Path | str, spec: PreprocessSpec, max_pixels: int = DEFAULT_MAX_PIXELS) -> Photograph:
    """Return a photograph as ``read_pixels`` reads it, with all that is known of it. Raises as that does."""
    path = Path(path)
    with opened(path, max_pixels) as image:
        position = position_of(image)  # before another page is turned to
        page = _turn_to_largest_page(image)
        check_size(path, image.size, max_pixels)
        width, height = image.size
        turned = _orientation(image) in _ON_ITS_SIDE
        size = (height, width) if turned else (width, height)
        return Photograph(_pixels_of(image, spec), size, position, page)


def read_pixels(path: Path | str, spec: PreprocessSpec, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Return (size_px, size_px, 3) uint8 of an image file.

    JPEGs are decoded at reduced scale, never below ``MARGIN`` times the target, at a fraction of the cost. Of a TIFF
    with several pages the largest is read. Raises InputError where it cannot be decoded, MissingToolError where its
    kind needs a reader that is not installed.
    """
    return read_photograph(path, spec, max_pixels).pixels


def decode_pixels(content: bytes, name: Path, spec: PreprocessSpec, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Return what ``read_pixels`` does, of the bytes of an image file; ``name`` is what errors call it."""
    with opened(name, max_pixels, io.BytesIO(content)) as image:
        _turn_to_largest_page(image)
        check_size(name, image.size, max_pixels)
        return _pixels_of(image, spec)


def read_rgb(path: Path | str, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image.Image:
    """Return an image file upright, in RGB, at its full size. Raises InputError where it cannot be decoded."""
    with opened(Path(path), max_pixels) as image:
        return _rgb_of(image, Path(path), max_pixels)


def decode_rgb(content: bytes, name: Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image.Image:
    """Return what ``read_rgb`` does, of the bytes of an image file; ``name`` is what errors call it."""
    with opened(name, max_pixels, io.BytesIO(content)) as image:
        return _rgb_of(image, name, max_pixels)


def read_gps(path: Path | str, max_pixels: int = DEFAULT_MAX_PIXELS) -> LatLng | None:
    """Return the coordinates that a file carries, None where there are none or they cannot be known."""
    with opened(Path(path), max_pixels) as image:
        position = position_of(image)
    return position.lat_lng if position else None


def _rgb_of(image: Image.Image, path: Path, max_pixels: int) -> Image.Image:
    _turn_to_largest_page(image)
    check_size(path, image.size, max_pixels)
    return _upright(to_srgb(image), _orientation(image))


def _turn_to_largest_page(image: Image.Image) -> str | None:
    """Have a TIFF show the largest of its pages, the first of equals; say which where it is not the first.

    Scanners and cameras put a thumbnail before the picture.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    areas: list[int] = []
    try:
        for page in range(image.n_frames):
            image.seek(page)
            areas.append(image.size[0] * image.size[1])
    except DECODE_ERRORS:  # the pages before a broken one are still good
        pass
    largest = areas.index(max(areas)) if areas else 0
    image.seek(largest)
    return f"page {largest + 1} of {len(areas)} is read, the largest" if largest else None


def _pixels_of(image: Image.Image, spec: PreprocessSpec) -> Pixels:
    width, height = _reduced(image, spec)
    square = to_square(to_srgb(image), spec, width, height)
    return np.asarray(_upright(square, _orientation(image)), np.uint8)


def _reduced(image: Image.Image, spec: PreprocessSpec) -> tuple[float, float]:
    """Have a JPEG decoded at reduced scale; return the width and height of the picture in the pixels to come.

    They are no whole numbers where the scale does not divide the sides: the last row or column is padding in part then.
    """
    least_px = math.ceil(MARGIN * spec.size_px)
    if not isinstance(image, JpegImagePlugin.JpegImageFile):  # elsewhere a draft may be a thumbnail
        return image.size
    reduced = image.draft(None, (least_px, least_px))
    return reduced[1][2:] if reduced else image.size


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where the EXIF block is missing or broken: the pixels are still good."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except DECODE_ERRORS:
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
