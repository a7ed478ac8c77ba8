"""What stands beside the street: houses, fences, trees and the landmark of the town."""

from __future__ import annotations

import random
from itertools import pairwise

from pigeon_training.planet.nature import mix
from pigeon_training.planet.style import Landmark, Rgb
from pigeon_training.planet.view import View

_WINDOW: Rgb = (62, 76, 96)
_TRUNK: Rgb = (92, 68, 50)
_COLUMNS: dict[str, list[tuple[float, tuple[float, ...]]]] = {
    "tower": [(0.0, (0.17, 0.16, 0.16, 0.15, 0.15, 0.3, 0.3, 0.1))],
    "dome": [(0.0, (0.42, 0.42, 0.42, 0.42, 0.4, 0.34, 0.2, 0.02))],
    "spire": [(0.0, (0.3, 0.27, 0.23, 0.19, 0.15, 0.1, 0.06, 0.01))],
    "pagoda": [(0.0, (0.44, 0.22, 0.38, 0.19, 0.32, 0.15, 0.25, 0.02))],
    "pyramid": [(0.0, (0.56, 0.48, 0.4, 0.32, 0.24, 0.16, 0.08, 0.0))],
    "twins": [(-0.24, (0.14,) * 8), (0.24, (0.14,) * 8)],
    "arch": [(-0.34, (0.13,) * 6 + (0.2, 0.2)), (0.34, (0.13,) * 6 + (0.2, 0.2))],
}
"""Half widths of each column of a landmark from foot to top, and where it stands, as shares of the height."""


def house(
    view: View, side: float, inner_m: float, z: tuple[float, float], *, storeys: int, dice: random.Random
) -> None:
    """Draw a house on one side (-1 left, 1 right) whose front is inner_m from the middle of the road."""
    style, height = view.scene.region, 3.2 * storeys
    x0, x1 = side * inner_m, side * (inner_m + 7.0)
    wall = mix(style.wall_rgb, (120, 120, 120), dice.uniform(0, 0.12))
    view.side(wall, x0, (0, height), z)
    view.panel(wall, (x0, x1), (0, height), z[0])
    _roof(view, (x0, x1), height, z)
    if z[0] < 34:
        _openings(view, (x0, x1), storeys, z)
        _signboard(view, (x0, x1), z, dice)


def _roof(view: View, x: tuple[float, float], y: float, z: tuple[float, float]) -> None:
    (x0, x1), (z0, z1) = x, z
    rgb, shape = view.snowed(view.scene.region.roof_rgb, 0.5), view.scene.country.roof_shape
    if shape == "flat":
        view.side(rgb, x0, (y, y + 1.5), z)
        view.panel(rgb, x, (y, y + 1.5), z0)
        return
    top, mid = y + (5.2 if shape == "tall" else 2.8), (x0 + x1) / 2
    eave = x0 - (0.5 if x0 > 0 else -0.5)
    view.face(
        rgb,
        0.5 * (view.light.top + view.road_light(x0)),
        [(eave, y, z0), (eave, y, z1), (mid, top, z1), (mid, top, z0)],
    )
    view.face(rgb, view.light.front * 0.9, [(eave, y, z0), (x1, y, z0), (mid, top, z0)])


def _openings(view: View, x: tuple[float, float], storeys: int, z: tuple[float, float]) -> None:
    (x0, x1), (z0, z1) = x, z
    for storey in range(min(storeys, 3)):
        y = 3.2 * storey + 1.1
        for share in (0.15, 0.6):
            a, b = z0 + share * (z1 - z0), z0 + (share + 0.22) * (z1 - z0)
            view.side(_WINDOW, x0, (y, y + 1.4), (a, b))
            view.panel(_WINDOW, (x0 + share * (x1 - x0), x0 + (share + 0.22) * (x1 - x0)), (y, y + 1.4), z0)


def _signboard(view: View, x: tuple[float, float], z: tuple[float, float], dice: random.Random) -> None:
    """A board in the region's colour or, in towns, a mural or an awning in the town's two colours."""
    (x0, x1), town = x, view.scene.landmark
    if town and dice.random() < 0.55:
        a, b = town.rgb
        view.side(a, x0, (2.3, 3.2), z)
        step = (z[1] - z[0]) / 4
        for i in (0, 2):
            view.side(b, x0, (2.3, 3.2), (z[0] + i * step, z[0] + (i + 1) * step))
        if dice.random() < 0.6:
            half = x0 + (x1 - x0) * 0.45
            view.panel(a, (x0, half), (0.3, 3.0), z[0])
            view.panel(b, (half, x1), (0.3, 3.0), z[0])
    elif dice.random() < 0.6:
        view.side(view.scene.region.sign_rgb, x0, (2.3, 3.3), z)
        view.panel(view.scene.region.sign_rgb, x, (2.3, 3.3), z[0])


def fence(view: View, side: float, z: tuple[float, float]) -> None:
    """Draw the region's fence along the road."""
    rgb, x = view.scene.region.fence_rgb, side * 6.5
    if view.scene.region.fence == "wall":
        view.side(rgb, x, (0, 1.3), z)
        return
    if view.scene.region.fence == "rails":
        view.side(rgb, x, (0.15, 0.6), z)
        view.side(rgb, x, (0.95, 1.4), z)
    step = 0.9
    for i in range(int((z[1] - z[0]) / step)):
        a = z[0] + i * step
        view.side(rgb, x, (0, 1.5), (a, a + 0.55 if view.scene.region.fence == "pickets" else a + 0.2))


def tree(view: View, x: float, z: float, scale: float) -> None:
    """Draw a tree of the scene's kind; a scale of 1 is a grown tree."""
    leaf, kind, s = view.snowed(view.scene.leaf_rgb, 0.35), view.scene.tree, scale
    if kind not in ("shrub", "cactus"):
        view.rod(_TRUNK, ((x, 0, z), (x, 3.0 * s, z)), 0.5 * s)
    if kind == "conifer":
        for low, high, half in ((1.0, 5.0, 1.9), (3.0, 7.5, 1.4)):
            view.face(
                leaf, view.light.front, [(x - half * s, low * s, z), (x + half * s, low * s, z), (x, high * s, z)]
            )
    elif kind == "palm":
        for dx, dy in ((-2.0, -0.6), (-1.4, 0.9), (0.0, 1.5), (1.4, 0.9), (2.0, -0.6)):
            view.rod(leaf, ((x, 5.4 * s, z), (x + dx * s, (5.4 + dy) * s, z)), 0.6 * s)
        view.rod(_TRUNK, ((x, 2.8 * s, z), (x, 5.4 * s, z)), 0.45 * s)
    elif kind == "bare":
        for dx, dy in ((-1.4, 2.6), (0.0, 3.4), (1.4, 2.6)):
            view.rod(leaf, ((x, 2.6 * s, z), (x + dx * s, (2.6 + dy) * s, z)), 0.35 * s)
    elif kind == "cactus":
        for dx, foot, top in ((0.0, 0.0, 4.0), (-1.1, 1.6, 3.2), (1.1, 1.2, 2.8)):
            view.rod(leaf, ((x + dx * s, foot * s, z), (x + dx * s, top * s, z)), 0.75 * s)
        view.rod(leaf, ((x - 1.1 * s, 1.6 * s, z), (x + 1.1 * s, 1.6 * s, z)), 0.6 * s)
    else:
        _crown(view, kind, (x, z), s, leaf)


def _crown(view: View, kind: str, where: tuple[float, float], s: float, leaf: Rgb) -> None:
    x, z = where
    middle, wide, tall = {"leafy": (4.4, 2.1, 2.2), "cypress": (4.2, 0.95, 3.6), "acacia": (4.6, 3.2, 1.0)}.get(
        kind, (0.8, 1.3, 0.9)
    )
    view.disc(mix(leaf, (0, 0, 0), 0.22), (x, middle * s, z), (wide * s, tall * s))
    view.disc(leaf, (x - 0.25 * wide * s, (middle + 0.25 * tall) * s, z), (wide * 0.7 * s, tall * 0.65 * s))


def landmark(view: View, mark: Landmark, foot: tuple[float, float], tall: float) -> None:
    """Draw the town's landmark on the skyline, foot and height in canvas pixels."""
    a, b = (view.tone(rgb, view.light.front * 1.05, 14) for rgb in mark.rgb)
    if mark.kind == "wheel":
        _wheel(view, (a, b), mark.pattern, foot, tall)
        return
    for shift, halves in _COLUMNS[mark.kind]:
        column = [half * tall for half in halves]
        _column(
            view,
            (foot[0] + shift * tall, foot[1]),
            column,
            step=tall / (len(halves) - 1),
            rgb=(a, b),
            pattern=mark.pattern,
        )
    if mark.kind == "arch":
        x, y = foot[0], foot[1] - tall
        view.pen.rectangle((x - 0.5 * tall, y, x + 0.5 * tall, y + 0.25 * tall), fill=b)


def _column(
    view: View, foot: tuple[float, float], halves: list[float], *, step: float, rgb: tuple[Rgb, Rgb], pattern: str
) -> None:
    x, y = foot
    for i, (low, high) in enumerate(pairwise(halves)):
        y0, y1 = y - i * step, y - (i + 1) * step
        left, right = _colours(rgb, pattern, i)
        view.pen.polygon([(x - low, y0), (x, y0), (x, y1), (x - high, y1)], fill=left)
        view.pen.polygon([(x, y0), (x + low, y0), (x + high, y1), (x, y1)], fill=right)


def _colours(rgb: tuple[Rgb, Rgb], pattern: str, tier: int) -> tuple[Rgb, Rgb]:
    a, b = rgb
    if pattern == "plain":
        return (a, a) if tier < 4 else (b, b)
    if pattern == "halves":
        return a, b
    odd = tier // 2 % 2 == 1
    if pattern == "bands":
        return (b, b) if odd else (a, a)
    return (b, a) if odd else (a, b)


def _wheel(view: View, rgb: tuple[Rgb, Rgb], pattern: str, foot: tuple[float, float], tall: float) -> None:
    x, y, r = foot[0], foot[1] - 0.58 * tall, 0.42 * tall
    view.pen.line(
        [(x - 0.3 * tall, foot[1]), (x, y), (x + 0.3 * tall, foot[1])], fill=rgb[0], width=max(2, int(tall / 12))
    )
    box, parts = (x - r, y - r, x + r, y + r), {"plain": 1, "halves": 2, "bands": 4, "checks": 8}[pattern]
    view.pen.ellipse(box, fill=rgb[0])
    for i in range(0, parts, 2):
        if parts > 1:
            view.pen.pieslice(box, 360 * i / parts - 90, 360 * (i + 1) / parts - 90, fill=rgb[1])
    hub = r * (0.55 if parts == 1 else 0.2)
    view.pen.ellipse((x - hub, y - hub, x + hub, y + hub), fill=rgb[1])
