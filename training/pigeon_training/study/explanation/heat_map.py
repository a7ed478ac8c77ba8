"""A heat map drawn over a photograph, with a legend beneath."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from pigeon_edge.images.preprocess import centre_square

Floats = npt.NDArray[np.float32]

LONG_SIDE_PX = 1024
HOTTEST = 4.0
"""The top of the scale, at least: a map that is nearly even stays faint."""

_MUTED, _UNSEEN, _OPAQUE = 0.35, 0.45, 0.85
"""Colour that the photograph keeps; brightness of what the model does not see; how much the hottest part hides."""

_INFERNO = (
    (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85),
    (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
)  # fmt: skip
"""Nine colours of the map "inferno" (Smith and van der Walt 2015, CC0), whose lightness rises evenly."""


def draw_heat_map(photograph: Image.Image, shares: Floats, covered: float, caption: str) -> Image.Image:
    """Return a photograph with shares (P, P), of sum 1, drawn over the centre square that the model sees.

    ``covered`` (0..1] is the part of the square's side that the shares stand for, from its upper left corner: less than
    1 where patches do not fill it. Colours count in multiples of an even share.
    """
    scale = LONG_SIDE_PX / max(photograph.size)
    width, height = (max(round(side * scale), 1) for side in photograph.size)
    whole = photograph.resize((width, height), Image.Resampling.LANCZOS)
    left, top, right, bottom = (round(edge) for edge in centre_square(width, height))
    multiples = shares * shares.size
    hottest = max(float(multiples.max()), HOTTEST)
    picture = ImageEnhance.Brightness(whole).enhance(_UNSEEN)
    picture.paste(_heated(whole.crop((left, top, right, bottom)), multiples / hottest, covered), (left, top))
    return _with_legend(picture, caption, hottest)


def inferno(values: Floats) -> npt.NDArray[np.uint8]:
    """Return colours (..., 3) of values (...) in 0..1."""
    stops = np.linspace(0, 1, len(_INFERNO))
    channels = [np.interp(values, stops, channel) for channel in zip(*_INFERNO, strict=True)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _heated(seen: Image.Image, heat: Floats, covered: float) -> Image.Image:
    """Return what the model sees, muted, under heat (P, P) in 0..1."""
    muted = ImageEnhance.Color(seen).enhance(_MUTED)
    width, height = (max(round(side * covered), 1) for side in seen.size)
    smooth = Image.fromarray(heat.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    values = np.asarray(smooth)
    opacity = Image.fromarray((255 * _OPAQUE * values).round().astype(np.uint8))
    muted.paste(Image.fromarray(inferno(values)), (0, 0), opacity)
    return muted


def _with_legend(picture: Image.Image, caption: str, hottest: float) -> Image.Image:
    """Add a strip with the caption at the left, and the colours with their scale at the right."""
    text = max(picture.width // 45, 10)
    font = ImageFont.load_default(text)
    legend = Image.new("RGB", (picture.width, picture.height + 2 * text), "white")
    legend.paste(picture)
    draw = ImageDraw.Draw(legend)
    middle = picture.height + text
    ramp = np.tile(np.linspace(0, 1, 8 * text, dtype=np.float32), (text, 1))
    end = f"{hottest:.1f} x even"
    right = picture.width - text // 2 - round(draw.textlength(end, font=font))
    bar = right - text // 2 - ramp.shape[1]
    draw.text((text // 2, middle), caption, fill="black", font=font, anchor="lm")
    draw.text((right, middle), end, fill="black", font=font, anchor="lm")
    draw.text((bar - text // 2, middle), "0", fill="black", font=font, anchor="rm")
    legend.paste(Image.fromarray(inferno(ramp)), (bar, middle - text // 2))
    return legend
