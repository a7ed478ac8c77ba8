"""Opening image files by their content, and mapping what goes wrong to the project's errors."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from pigeon_edge.errors import InputError
from pigeon_edge.images.kinds import HEAD_BYTES, prepare
from pigeon_edge.system.known_faults import fault_of

DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, MemoryError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What decoders raise of files that are damaged."""


@contextmanager
def opened(path: Path, max_pixels: int, content: io.BytesIO | None = None) -> Iterator[Image.Image]:
    """Open an image file, or its content if given; whatever goes wrong until it is closed becomes an InputError.

    Raises MissingToolError where its kind needs a reader that is not installed.
    """
    image: Image.Image | None = None
    try:
        prepare(_head(path, content), path)
        with Image.open(content or path) as image:
            check_size(path, image.size, max_pixels)
            yield image
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except NotADirectoryError as error:
        raise InputError(
            f"{path}: expected a photograph in a folder, found a path into a file; unpack the archive"
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: expected an image, found no known image format; check what the file is") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path}: {_one_line(error)} Raise the limit with --max-pixels if it is trusted") from error
    except DECODE_ERRORS as error:
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


def check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    """Raise InputError for a picture of more pixels than the limit allows."""
    width, height = size
    if width * height > max_pixels:
        raise InputError(
            f"{path}: {width} x {height} pixels is over the limit of {max_pixels / 1e6:g} megapixels; "
            "raise it with --max-pixels if the file is trusted"
        )


def _head(path: Path, content: io.BytesIO | None) -> bytes:
    if content:
        return content.getbuffer()[:HEAD_BYTES].tobytes()
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
