"""Colour: any image that Pillow decodes, as 8-bit sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

_SPACE_OF_MODE = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}
"""The colour space (ICC.1:2022, table 19) that a profile must describe to apply to an image of each mode."""

_FLOAT_RANGES = (1.0, 255.0, 65535.0)
"""White in a float image is whichever of these holds its brightest pixel; in an integer image of 16 bits, the last."""


def to_srgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as 8-bit RGB.

    16-bit and float images are scaled over their full range, transparency is laid over white, an embedded ICC profile
    is honoured: a scan in another colour space looks as its maker saw it.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled_to_8_bit(image).convert("RGB")
    if image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        return _transformed(image, lab)
    profile = _profile(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    flat = image if image.mode in _SPACE_OF_MODE else image.convert("RGB")
    applies = profile is not None and profile.profile.xcolor_space == _SPACE_OF_MODE[flat.mode]
    return _transformed(flat, profile) if profile and applies else flat.convert("RGB")


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """Return the embedded profile; None where there is none, a broken one, or sRGB itself, which changes nothing."""
    embedded = image.info.get("icc_profile")
    if not embedded:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        return None if "sRGB" in ImageCms.getProfileDescription(profile) else profile
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None


def _transformed(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """Return the image in sRGB; without the profile's help where it cannot be applied."""
    try:
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:
        converted = None
    return converted if converted is not None else image.convert("RGB")


def _scaled_to_8_bit(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image, np.float64))  # (H, W)
    ranges = _FLOAT_RANGES if image.mode == "F" else _FLOAT_RANGES[-1:]
    full_range = next((limit for limit in ranges if values.max(initial=0.0) <= limit), ranges[-1])
    return Image.fromarray(np.clip(np.rint(values * (255.0 / full_range)), 0, 255).astype(np.uint8))
