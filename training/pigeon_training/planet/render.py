"""The renderer: a scene and a seed become one photograph of a street."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pigeon_edge.errors import UsageError
from pigeon_training.planet import backdrop, roadside, street
from pigeon_training.planet.scene import Scene
from pigeon_training.planet.style import Landmark
from pigeon_training.planet.view import View, make_light, make_view

_FINE = 2  # canvas pixels per pixel of the picture
Thing = tuple[float, Callable[[], None]]  # distance in metres and how to draw it


def render(scene: Scene, size_px: int, seed: int) -> npt.NDArray[np.uint8]:  # (size, size, 3) RGB
    """Return a photograph of the scene; camera, houses, traffic and weather follow the seed, the cues the scene.

    Raises UsageError for a size below 16 pixels or a negative seed.
    """
    if size_px < 16 or seed < 0:
        raise UsageError(f"expected 16 pixels or more and a seed of 0 or more, got {size_px} and {seed}; change them")
    dice = random.Random(int(seed))  # noqa: S311 - a picture, not a secret
    size = size_px * _FINE
    light = make_light(scene, dice)
    horizon = backdrop.horizon_rgb(scene, light)
    canvas = backdrop.sky(light, horizon, size, dice)
    view = make_view(scene, ImageDraw.Draw(canvas), size, haze_rgb=horizon, light=light, dice=dice)
    _backdrop(view, dice)
    street.road(view, dice)
    street.shadows(view, ImageDraw.Draw(canvas, "RGBA"), dice)
    for _, draw in sorted(_things(view, dice), key=lambda thing: -thing[0]):
        draw()
    _snowfall(view, dice)
    return _developed(canvas.reduce(_FINE), dice, seed)


def _backdrop(view: View, dice: random.Random) -> None:
    backdrop.sun(view)
    backdrop.clouds(view, dice)
    backdrop.mountains(view, dice)
    backdrop.ground(view, dice)


def _things(view: View, dice: random.Random) -> list[Thing]:
    things = [*_houses(view, dice), *_trees(view, dice), *_poles(view, dice), *_cars(view, dice)]
    mark = view.scene.landmark
    if mark and dice.random() < 0.9:
        things.append(_landmark(view, mark, dice))
    return things


def _landmark(view: View, mark: Landmark, dice: random.Random) -> Thing:
    x = view.middle[0] + view.size * dice.uniform(-0.2, 0.2)
    x = min(max(x, 0.15 * view.size), 0.85 * view.size)
    foot = (x, view.middle[1] + 0.02 * view.size)
    tall = view.size * dice.uniform(0.24, 0.44)
    return 45.0, partial(roadside.landmark, view, mark, foot, tall)


def _houses(view: View, dice: random.Random) -> list[Thing]:
    things: list[Thing] = []
    built = view.scene.built_up
    for side in (-1.0, 1.0):
        z = dice.uniform(5, 12)
        while z < 75:
            deep = dice.uniform(6, 11)
            things.append(_house(view, side, (z, z + deep), dice))
            z += deep + dice.uniform(1, 9) + (1 - built) * dice.uniform(2, 40)
        start = dice.uniform(3, 9)
        if dice.random() < 0.85:
            span = (start, start + dice.uniform(5, 12))
            things.append((start + 3, partial(roadside.fence, view, side, span)))
    return things


def _house(view: View, side: float, z: tuple[float, float], dice: random.Random) -> Thing:
    inner_m = dice.uniform(7.2, 10)
    storeys = 1 + int(dice.random() * (0.8 + 2.4 * view.scene.built_up))
    return z[0], partial(roadside.house, view, side, inner_m, z, storeys=storeys, dice=dice)


def _trees(view: View, dice: random.Random) -> list[Thing]:
    things: list[Thing] = []
    for _ in range(1 + int(view.scene.tree_density * dice.uniform(4, 11))):
        z = dice.uniform(7, 50)
        x = dice.choice((-1, 1)) * dice.uniform(5.6, 7 + 0.5 * z)
        things.append((z, partial(roadside.tree, view, x, z, dice.uniform(0.7, 1.2))))
    return things


def _poles(view: View, dice: random.Random) -> list[Thing]:
    """Poles on one side, flags on the nearest two, a sign on the other side, and now and then a banner."""
    side, z = dice.choice((-1.0, 1.0)), dice.uniform(8, 14)
    things: list[Thing] = []
    for i, gap in enumerate((0, 14, 32)):
        things.append((z + gap, partial(_pole, view, side * 5.0, z + gap, i < 2)))
    at = dice.uniform(8, 13)
    things.append((at, partial(street.traffic_sign, view, -side * 5.2, at)))
    if dice.random() < 0.35:
        across = dice.uniform(12, 18)
        things.append((across, partial(street.banner, view, across)))
    return things


def _pole(view: View, x: float, z: float, flagged: bool) -> None:
    street.pole(view, x, z)
    if flagged:
        left = x + 0.3 if x < 0 else x - 2.5
        street.flag(view, left, z, 5.6, (2.2, 2.4))


def _cars(view: View, dice: random.Random) -> list[Thing]:
    own = -1.75 if view.scene.country.drives_left else 1.75
    things: list[Thing] = []
    for x, oncoming, chance in ((own, False, 0.5), (-own, True, 0.7)):
        if dice.random() < chance:
            z, paint = dice.uniform(7, 26), street.car_paint(dice)
            things.append((z, partial(street.car, view, x, z, oncoming, paint)))
    return things


def _snowfall(view: View, dice: random.Random) -> None:
    if dice.random() > 0.4 * view.scene.snow:
        return
    for _ in range(50):
        x, y, r = dice.uniform(0, view.size), dice.uniform(0, view.size), view.size * dice.uniform(0.004, 0.009)
        view.pen.ellipse((x - r, y - r, x + r, y + r), fill=(244, 246, 250))


def _developed(picture: Image.Image, dice: random.Random, seed: int) -> npt.NDArray[np.uint8]:
    """Return the picture through a camera: white balance, exposure, contrast and grain."""
    exposure, gamma = dice.uniform(0.72, 1.22), dice.uniform(0.8, 1.25)
    gains = [exposure * dice.uniform(0.88, 1.12) for _ in range(3)]
    levels = np.linspace(0, 1, 256) ** gamma * 255
    tables = np.concatenate([(levels * gain).clip(0, 255) for gain in gains]).astype(np.uint8)
    pixels = np.asarray(picture.point(tables.tolist()), np.int16)
    rng = np.random.default_rng(int(seed))
    grain = rng.standard_normal(pixels.shape[:2], np.float32) * dice.uniform(2, 7)
    return np.asarray((pixels + grain.astype(np.int16)[:, :, None]).clip(0, 255).astype(np.uint8))
