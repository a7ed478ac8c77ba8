"""The street itself: road, lines, kerbs, verges, poles with flags, traffic signs, banners and cars."""

from __future__ import annotations

import math
import random

from PIL import ImageDraw

from pigeon_training.planet.nature import mix
from pigeon_training.planet.style import HUES, Rgb
from pigeon_training.planet.view import View

HALF_ROAD_M = 3.6
_FAR_M = 160.0
_NEAR_M = 1.3
_PAINT: tuple[Rgb, ...] = ((226, 226, 228), (52, 54, 60), (150, 36, 40), (44, 70, 120), (150, 152, 156), (88, 110, 92))
_WEAR: tuple[Rgb, ...] = ((60, 60, 64), (150, 146, 140), (120, 100, 84))
_GLASS: Rgb = (52, 62, 78)


def road(view: View, dice: random.Random) -> None:
    """Draw verges of soil, the carriageway, kerbs and lines."""
    style = view.scene.country
    verge = view.snowed(mix(view.scene.soil_rgb, (150, 150, 150), 0.5 * view.scene.built_up), 0.8)
    view.strip(verge, (-6.4, 6.4), (_NEAR_M, _FAR_M))
    worn = mix(style.asphalt_rgb, dice.choice(_WEAR), dice.uniform(0, 0.4))
    view.strip(view.snowed(worn, 0.3), (-HALF_ROAD_M, HALF_ROAD_M), (_NEAR_M, _FAR_M))
    if style.edge_rgb:
        for x in (-HALF_ROAD_M + 0.45, HALF_ROAD_M - 0.2):
            view.strip(style.edge_rgb, (x - 0.25, x), (_NEAR_M, 60))
    _centre_line(view, dice.uniform(0, 5))
    _kerbs(view, dice.uniform(0, 3))


def _centre_line(view: View, start_m: float) -> None:
    style = view.scene.country
    rgb = view.snowed(style.line_rgb, 0.3)
    if style.line_pattern == "dashed":
        for i in range(9):
            z = _NEAR_M + start_m + 5.0 * i
            view.strip(rgb, (-0.2, 0.2), (z, z + 2.8))
        return
    for x in (0.0,) if style.line_pattern == "solid" else (-0.38, 0.38):
        view.strip(rgb, (x - 0.2, x + 0.2), (_NEAR_M, 70))


def _kerbs(view: View, start_m: float) -> None:
    """Blocks of the country's colour and pale stone by turns, broad enough to see."""
    rgb = view.snowed(view.scene.country.kerb_rgb, 0.35)
    for x in (-HALF_ROAD_M - 0.85, HALF_ROAD_M):
        view.strip(rgb, (x, x + 0.85), (_NEAR_M, 70))
        for i in range(5):
            z = _NEAR_M + start_m + 4.5 * i
            view.strip((186, 184, 178), (x, x + 0.85), (z, z + 0.9))


def shadows(view: View, pen: ImageDraw.ImageDraw, dice: random.Random) -> None:
    """Draw shadows of what stands beside the street, falling away from the sun; the pen must blend."""
    light = view.light
    if light.overcast:
        return
    turn, length_m = math.radians(light.azimuth_deg), 5.0 / math.tan(math.radians(max(light.height_deg, 12.0)))
    reach, slant = -length_m * math.sin(turn), -length_m * math.cos(turn)
    z = dice.uniform(4, 8)
    while z < 45:
        foot, wide = (-7.0 if reach > 0 else 7.0), dice.uniform(1.0, 7.0)
        corners = [(foot, z), (foot, z + wide), (foot + reach, z + wide + slant), (foot + reach, z + slant)]
        pen.polygon([view.at(x, 0.0, ahead) for x, ahead in corners], fill=(20, 24, 48, 96))
        z += wide + dice.uniform(3, 14)


def pole(view: View, x: float, z: float) -> None:
    """Draw one pole of the country's shape."""
    style, inward = view.scene.country, -1.0 if x > 0 else 1.0
    rgb, top = style.pole_rgb, 7.2
    if style.pole_shape == "frame":
        for dx in (-0.9, 0.9):
            view.rod(rgb, ((x + dx, 0, z), (x, top, z)), 0.36)
        view.rod(rgb, ((x - 0.6, 2.4, z), (x + 0.6, 2.4, z)), 0.36)
        return
    view.rod(rgb, ((x, 0, z), (x, top, z)), 0.8 if style.pole_shape == "mast" else 0.5)
    if style.pole_shape == "cross":
        for y in (top - 0.6, top - 1.8):
            view.rod(rgb, ((x - 1.5, y, z), (x + 1.5, y, z)), 0.42)
    elif style.pole_shape == "lamp":
        view.rod(rgb, ((x, top, z), (x + inward * 2.2, top, z)), 0.42)
        view.disc((255, 250, 214), (x + inward * 2.2, top - 0.35, z), (0.8, 0.5))
    else:
        for y in (1.2, 3.4, 5.6):
            view.rod((240, 240, 236), ((x, y, z), (x, y + 1.1, z)), 0.8)


def flag(view: View, x: float, z: float, top: float, size_m: tuple[float, float]) -> None:
    """Draw the country's flag with its upper left corner at (x, top)."""
    (a, b), pattern = view.scene.country.flag_rgb, view.scene.country.flag_pattern
    wide, tall = size_m
    view.panel(a, (x, x + wide), (top - tall, top), z)
    if pattern == "level":
        view.panel(b, (x, x + wide), (top - tall, top - tall / 2), z)
    elif pattern == "upright":
        view.panel(b, (x + wide / 2, x + wide), (top - tall, top), z)
    elif pattern == "slanted":
        view.face(b, view.light.front, [(x, top - tall, z), (x + wide, top - tall, z), (x + wide, top, z)])
    else:
        view.disc(b, (x + wide / 2, top - tall / 2, z), (wide * 0.34, tall * 0.34))


def banner(view: View, z: float) -> None:
    """Draw a row of flags on a line across the road."""
    view.rod((60, 60, 60), ((-5, 6.4, z), (5, 6.4, z)), 0.1)
    for x in (-3.9, -0.95, 2.0):
        flag(view, x, z, 6.3, (1.9, 1.7))


def traffic_sign(view: View, x: float, z: float) -> None:
    """Draw a sign of the country's shape and colour on a short post."""
    style, r, y = view.scene.country, 1.0, 3.1
    view.rod((110, 112, 116), ((x, 0, z), (x, y, z)), 0.22)
    mark: Rgb = (240, 240, 236) if sum(style.sign_rgb) < 560 else (40, 40, 44)
    if style.sign_shape == "disc":
        view.disc(style.sign_rgb, (x, y, z), (r, r))
    else:
        outline = {
            "triangle": [(-1.15, -0.9), (1.15, -0.9), (0.0, 1.1)],
            "square": [(-0.95, -0.95), (0.95, -0.95), (0.95, 0.95), (-0.95, 0.95)],
            "diamond": [(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
        }[style.sign_shape]
        view.face(style.sign_rgb, view.light.front, [(x + dx * r, y + dy * r, z) for dx, dy in outline])
    view.panel(mark, (x - 0.4, x + 0.4), (y - 0.3, y + 0.1), z)


def car(view: View, x: float, z: float, oncoming: bool, paint: Rgb) -> None:
    """Draw a car from the front or the rear, with a large number plate."""
    left, right = x - 0.95, x + 0.95
    inner = left if x > view.eye[0] else right
    view.strip((36, 36, 40), (left - 0.2, right + 0.2), (z, z + 3.6))
    back = z + 3.4
    corners = [(inner, 0.35, z), (inner, 0.35, back), (inner, 1.0, back), (inner, 1.0, z)]
    view.face(mix(paint, (0, 0, 0), 0.25), view.light.front, corners)
    view.face(
        _GLASS,
        view.light.front,
        [(left + 0.1, 1.0, z), (right - 0.1, 1.0, z), (right - 0.3, 1.6, z), (left + 0.3, 1.6, z)],
    )
    view.panel(paint, (left, right), (0.3, 1.05), z)
    view.face(
        paint,
        view.light.top,
        [(left + 0.3, 1.6, z), (right - 0.3, 1.6, z), (right - 0.3, 1.7, back), (left + 0.3, 1.7, back)],
    )
    lamp = (255, 250, 210) if oncoming else HUES["red"]
    for side in (left + 0.05, right - 0.4):
        view.panel(lamp, (side, side + 0.35), (0.7, 0.95), z)
    view.panel(view.scene.country.plate_rgb, (x - 0.5, x + 0.5), (0.38, 0.68), z)


def car_paint(dice: random.Random) -> Rgb:
    """Return a dull colour, so that cars say nothing of the country."""
    return dice.choice(_PAINT)
