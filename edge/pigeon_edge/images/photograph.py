"""Photographs in files: any image that Pillow reads, upright, in 8-bit sRGB; and the place its EXIF names."""

from __future__ import annotations

import importlib
import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from pigeon_edge.errors import InputError, MissingToolError
from pigeon_edge.geodesy import LatLng
from pigeon_edge.images.colour import to_srgb
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec, to_square
from pigeon_edge.system.known_faults import fault_of

DEFAULT_MAX_PIXELS = 250_000_000
"""Beyond any single-shot camera of today, and 750 MB once decoded."""

MARGIN = 1.5
"""The short side of a JPEG decoded at reduced scale, in sides of the target, at the least.

At 1.5, 12 megapixels are decoded at an eighth for 224 px, and embeddings keep a cosine of 0.995 to those of a full
decode, as a test holds.
"""

SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".heic", ".heif", ".avif",
    ".jp2", ".ppm", ".pgm", ".tga",
))  # fmt: skip
"""Names under which a folder's photographs are looked for."""

_HEIF_SUFFIXES = frozenset({".heic", ".heif"})
_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, MemoryError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip
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


def read_pixels(path: Path | str, spec: PreprocessSpec, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Return (size_px, size_px, 3) uint8 of an image file. Raises InputError where it cannot be decoded.

    JPEGs are decoded at reduced scale, never below ``MARGIN`` times the target, at a fraction of the cost.
    """
    with _opened(Path(path), max_pixels) as image:
        return _pixels_of(image, spec)


def decode_pixels(content: bytes, name: Path, spec: PreprocessSpec, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Return what ``read_pixels`` does, of the bytes of an image file; ``name`` is what errors call it."""
    with _opened(name, max_pixels, io.BytesIO(content)) as image:
        return _pixels_of(image, spec)


def read_rgb(path: Path | str, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image.Image:
    """Return an image file upright, in RGB, at its full size. Raises InputError where it cannot be decoded."""
    with _opened(Path(path), max_pixels) as image:
        return _upright(to_srgb(image), _orientation(image))


def decode_rgb(content: bytes, name: Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image.Image:
    """Return what ``read_rgb`` does, of the bytes of an image file; ``name`` is what errors call it."""
    with _opened(name, max_pixels, io.BytesIO(content)) as image:
        return _upright(to_srgb(image), _orientation(image))


def read_gps(path: Path | str, max_pixels: int = DEFAULT_MAX_PIXELS) -> LatLng | None:
    """Return the place that a file's EXIF names; None where there is none, or only 0,0 (a camera without a fix)."""
    with _opened(Path(path), max_pixels) as image:
        try:
            gps = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
            lat = _degrees(gps[ExifTags.GPS.GPSLatitude], gps[ExifTags.GPS.GPSLatitudeRef], "NS")
            lng = _degrees(gps[ExifTags.GPS.GPSLongitude], gps[ExifTags.GPS.GPSLongitudeRef], "EW")
        except (*_DECODE_ERRORS, ZeroDivisionError, AttributeError):
            return None
    plausible = abs(lat) <= 90 and abs(lng) <= 180 and (lat, lng) != (0.0, 0.0)
    return LatLng(lat, lng) if plausible else None


def _pixels_of(image: Image.Image, spec: PreprocessSpec) -> Pixels:
    width, height = _reduced(image, spec)
    square = to_square(to_srgb(image), spec, width, height)
    return np.asarray(_upright(square, _orientation(image)), np.uint8)


def _reduced(image: Image.Image, spec: PreprocessSpec) -> tuple[float, float]:
    """Have a JPEG decoded at reduced scale; return the width and height of the picture in the pixels to come.

    They are no whole numbers where the scale does not divide the sides: the last row or column is padding in part then.
    """
    least_px = math.ceil(MARGIN * spec.size_px)
    reduced = image.draft(None, (least_px, least_px))
    return reduced[1][2:] if reduced else image.size


@contextmanager
def _opened(path: Path, max_pixels: int, content: io.BytesIO | None = None) -> Iterator[Image.Image]:
    """Open an image file, or its content if given, map whatever goes wrong until it is closed to one InputError."""
    if path.suffix.lower() in _HEIF_SUFFIXES:
        _register_heif()
    image: Image.Image | None = None
    try:
        with Image.open(content or path) as image:
            _check_size(path, image.size, max_pixels)
            yield image
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except NotADirectoryError as error:
        raise InputError(
            f"{path}: expected a photograph in a folder, found a path into a file; unpack the archive "
            "(training alone reads photographs inside .tar and .zip)"
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: expected an image, found no known image format; check what the file is") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path}: {_one_line(error)} Raise the limit with --max-pixels if it is trusted") from error
    except _DECODE_ERRORS as error:
        raise InputError(f"{path}: cannot be decoded ({_one_line(error)}); {_remedy(image)}") from error


def _remedy(image: Image.Image | None) -> str:
    """Return what to do about an image that cannot be decoded: it may be sound, and Pillow at fault."""
    fault = fault_of("pillow")
    return f"{fault.sentence}: {fault.remedy}" if fault and _is_plain_ycbcr(image) else "restore it from a backup"


def _is_plain_ycbcr(image: Image.Image | None) -> bool:
    """Tell an uncompressed TIFF in YCbCr (TIFF 6.0: Compression 1, PhotometricInterpretation 6)."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    tags = image.tag_v2
    return (tags.get(ExifTags.Base.Compression), tags.get(ExifTags.Base.PhotometricInterpretation)) == (1, 6)


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise InputError(
            f"{path}: {width} x {height} pixels is over the limit of {max_pixels / 1e6:g} megapixels; "
            "raise it with --max-pixels if the file is trusted"
        )


def _register_heif() -> None:
    try:
        pillow_heif = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise MissingToolError("HEIC photographs need pillow-heif: pip install 'pigeon-edge[heic]'") from error
    pillow_heif.register_heif_opener()


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where the EXIF block is missing or broken: the pixels are still good."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _DECODE_ERRORS:
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _degrees(parts: tuple[float, float, float], reference: str, letters: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value):
        raise ValueError(f"GPS angle {value}")
    sign = (1, -1)[letters.index(reference.strip("\0 ").upper()[0])]
    return sign * value


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
