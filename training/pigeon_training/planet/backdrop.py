"""What lies behind the street: sky, sun, clouds, mountains and open ground."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image

from pigeon_edge.geodesy import Floats
from pigeon_training.planet.nature import mix
from pigeon_training.planet.scene import Scene
from pigeon_training.planet.style import Rgb
from pigeon_training.planet.view import Light, View

_GRID = 24


def horizon_rgb(scene: Scene, light: Light) -> Rgb:
    """Return the colour of the air at the horizon."""
    clear = mix((196, 222, 244), (236, 216, 180), min(1.0, scene.haze * 1.5))
    warm = mix(clear, (250, 200, 150), max(0.0, 0.6 - light.height_deg / 25))
    dim = 0.35 + 0.65 * min(1.0, light.height_deg / 12)
    return mix((20, 24, 50), (204, 208, 212) if light.overcast else warm, dim)


def sky(light: Light, horizon: Rgb, size: int, dice: random.Random) -> Image.Image:
    """Return a canvas (size, size) of sky alone: a gradient upwards and a glow towards the sun."""
    zenith: Rgb = (150, 158, 168) if light.overcast else mix((44, 104, 200), (120, 170, 220), dice.random() * 0.8)
    dim = 0.4 + 0.6 * min(1.0, light.height_deg / 14)
    up = np.linspace(1.2, -0.7, _GRID).clip(0, 1)[:, None, None] ** 0.8
    low, high = np.array(horizon, np.float32), np.array(zenith, np.float32) * dim
    grid = np.broadcast_to(low + up * (high - low), (_GRID, _GRID, 3)) + _glow(light)
    return Image.fromarray(grid.clip(0, 255).astype(np.uint8)).resize((size, size), Image.Resampling.BILINEAR)


def _glow(light: Light) -> Floats:
    across = np.linspace(-32, 32, _GRID) - light.azimuth_deg
    away = 1 - np.cos(np.radians(across))[None, :, None] + np.linspace(0.5, 0, _GRID)[:, None, None] ** 2
    return np.asarray((24 if light.overcast else 64) * np.exp(-2.5 * away) * np.array([1.0, 0.94, 0.8]))


def sun(view: View) -> None:
    """Draw the sun where it stands in the picture; a high sun stands above the frame."""
    across = (view.light.azimuth_deg + 180) % 360 - 180
    if view.light.overcast or abs(across) > 60:
        return
    x = view.middle[0] + view.focal * math.tan(math.radians(across))
    y = view.middle[1] - view.focal * math.tan(math.radians(min(80.0, view.light.height_deg)))
    for radius, rgb in ((0.075, (255, 236, 180)), (0.045, (255, 252, 236))):
        r = view.size * radius
        view.pen.ellipse((x - r, y - r, x + r, y + r), fill=rgb)


def clouds(view: View, dice: random.Random) -> None:
    """Draw heaps of cloud, more in damp places."""
    rgb = mix(view.haze_rgb, (250, 250, 252), 0.2 if view.light.overcast else 0.7)
    for _ in range(int(dice.random() * 7 * view.scene.cloudiness + 0.3)):
        x, y = dice.uniform(0, view.size), dice.uniform(0, view.middle[1] * 0.8)
        wide = view.size * dice.uniform(0.05, 0.13)
        for step in (-1, 0, 1):
            r = wide * dice.uniform(0.6, 1.1)
            view.pen.ellipse((x + step * wide - r, y - r * 0.45, x + step * wide + r, y + r * 0.4), fill=rgb)


def mountains(view: View, dice: random.Random) -> None:
    """Draw two ranges; their height follows the relief, their shape is chance."""
    scene, size = view.scene, view.size
    peak = size * (0.015 + 0.3 * scene.relief**1.3)
    green = mix(scene.ground_rgb, scene.leaf_rgb, 0.5 * scene.tree_density)
    far = view.snowed(mix(mix(green, (96, 112, 150), 0.55), (240, 242, 248), 0.35 if scene.relief > 0.6 else 0), 0.7)
    _range(view, view.tone(far, view.light.front, 60), peak, 9, dice)
    _range(view, view.tone(view.snowed(green, 0.7), view.light.front, 30), peak * 0.45, 7, dice)


def _range(view: View, rgb: Rgb, peak: float, steps: int, dice: random.Random) -> None:
    size = view.size
    points = [(size * i / steps, dice.uniform(0.25, 1.0) * peak) for i in range(steps + 1)]
    ridge = [(x, view.middle[1] + (x - size / 2) * view.roll - rise) for x, rise in points]
    view.pen.polygon([(-1, size), *ridge, (size + 1, size)], fill=rgb)


def ground(view: View, dice: random.Random) -> None:
    """Draw the open ground with patches of soil."""
    size, drop = view.size, view.roll * view.size / 2
    grass = view.snowed(view.scene.ground_rgb, 0.92)
    y = view.middle[1]
    outline = [(0.0, y - drop), (size, y + drop), (size, size), (0.0, size)]
    view.pen.polygon(outline, fill=view.tone(grass, view.light.top, 12))
    for _ in range(8):
        z, x = dice.uniform(5, 40), dice.choice((-1, 1)) * dice.uniform(7, 26)
        shade = view.snowed(mix(view.scene.ground_rgb, view.scene.soil_rgb, dice.uniform(0.3, 1)), 0.75)
        view.strip(shade, (x, x + dice.uniform(3, 9)), (z, z * dice.uniform(1.15, 1.6)))
