"""Pictures with the spectrum of photographs: JPEG decoding and scaling have as much to do with them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

OCTAVE_STD, HUE_STD = 10.0, 5.0
"""Grey levels. An amplitude that falls as 1 / frequency (Field 1987) is the same contrast in every octave."""

FINEST_PX = 2
"""Lenses blur what is finer: at quality 90 files have 0.29 MB a megapixel then, as those of cameras have."""


def photographic(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return an RGB picture of (width, height): equal contrast in every octave, weaker and coarser in colour."""
    steps_px = [FINEST_PX << octave for octave in range((min(size) // FINEST_PX).bit_length() - 1)]
    light = np.full(size[::-1], 128.0, np.float32)  # (H, W)
    for step_px in steps_px:
        light += _octave(size, step_px, OCTAVE_STD, rng)
    hue = sum(_octave(size, step_px, HUE_STD, rng) for step_px in steps_px[3:])
    planes = [light + hue, light, light - hue]
    return Image.fromarray(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8))  # (H, W, 3)


def _octave(size: tuple[int, int], step_px: int, std: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return (H, W) float32 of noise that changes every ``step_px``."""
    width, height = (side // step_px + 1 for side in size)
    coarse = Image.fromarray(rng.normal(scale=std, size=(height, width)).astype(np.float32))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float32)
