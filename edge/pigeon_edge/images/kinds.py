"""What an image file is by its first bytes, whatever its name says, and what it needs installed."""

from __future__ import annotations

import importlib
from pathlib import Path

from PIL import features

from pigeon_edge.errors import MissingToolError

SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".heic", ".heif", ".hif",
    ".avif", ".jxl", ".jp2", ".ppm", ".pgm", ".tga",
))  # fmt: skip
"""Names under which a folder's photographs are looked for."""

HEAD_BYTES = 64
"""As much of a file as ``prepare`` wants to see."""

_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
"""ISO/IEC 23008-12 and the AV1 Image File Format: brands of the box "ftyp" that begins a file."""

_JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a")
"""ISO/IEC 18181-2: the bare codestream, and the container."""


def prepare(head: bytes, path: Path) -> None:
    """Load what a file that begins with ``head`` needs. Raises MissingToolError where that is not installed."""
    brands = _brands(head)
    if head.startswith(_JPEG_XL):
        _load("pillow_jxl", f"{path}: JPEG XL photographs need its reader: pip install pillow-jxl-plugin")
    elif brands & _AVIF_BRANDS:
        if not features.check("avif"):
            raise MissingToolError(f"{path}: AVIF photographs need a Pillow that reads them: pip install -U pillow")
    elif brands & _HEIF_BRANDS or b"mif1" in brands or b"msf1" in brands:
        _load("pillow_heif", f"{path}: HEIC photographs need pillow-heif: pip install 'pigeon-edge[heic]'")
        importlib.import_module("pillow_heif").register_heif_opener()


def _brands(head: bytes) -> set[bytes]:
    """Return the major and the compatible brands of an ISO base media file, none of any other."""
    if head[4:8] != b"ftyp":
        return set()
    compatible = head[16 : min(int.from_bytes(head[:4], "big"), len(head))]
    return {head[8:12], *(compatible[start : start + 4] for start in range(0, len(compatible), 4))}


def _load(module: str, advice: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise MissingToolError(advice) from error
