"""The look of nature at a place in a month: ground, plants, snow and air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeon_edge.geodesy import Floats
from pigeon_training.planet.style import Rgb
from pigeon_training.planet.terrain import CLIMATES, Terrain

_GROUND: dict[str, Rgb] = {
    "tundra": (134, 132, 104), "taiga": (84, 112, 70), "temperate": (98, 150, 62), "mediterranean": (158, 156, 84),
    "steppe": (184, 168, 96), "desert": (222, 184, 122), "savanna": (196, 164, 70), "rainforest": (52, 128, 52),
}  # fmt: skip
_LEAF: dict[str, Rgb] = {
    "tundra": (104, 108, 74), "taiga": (30, 74, 56), "temperate": (58, 118, 44), "mediterranean": (66, 98, 52),
    "steppe": (122, 122, 64), "desert": (84, 128, 78), "savanna": (112, 130, 48), "rainforest": (22, 104, 40),
}  # fmt: skip
_TREE = {
    "tundra": "shrub", "taiga": "conifer", "temperate": "leafy", "mediterranean": "cypress",
    "steppe": "shrub", "desert": "cactus", "savanna": "acacia", "rainforest": "palm",
}  # fmt: skip
_DENSITY = {
    "tundra": 0.25, "taiga": 0.9, "temperate": 0.7, "mediterranean": 0.55,
    "steppe": 0.3, "desert": 0.35, "savanna": 0.45, "rainforest": 1.0,
}  # fmt: skip
_DARK_SOIL, _YELLOW_SOIL, _RED_SOIL = (74, 60, 52), (190, 158, 104), (176, 84, 52)
_AUTUMN: Rgb = (206, 118, 36)
_TWIGS: Rgb = (104, 88, 78)


@dataclass(frozen=True)
class Nature:
    """Nature at one place in one month; fields as in Scene."""

    cloudiness: float
    haze: float
    ground_rgb: Rgb
    soil_rgb: Rgb
    leaf_rgb: Rgb
    tree: str
    tree_density: float
    snow: float
    relief: float


def mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    """Return the colour that is share of b and the rest of a."""
    keep = 1.0 - share
    return (
        int(a[0] * keep + b[0] * share),
        int(a[1] * keep + b[1] * share),
        int(a[2] * keep + b[2] * share),
    )


def nature_at(terrain: Terrain, point: Floats, month: int) -> Nature:
    """Return nature at one coordinate (1, 2) in a month."""
    climate = CLIMATES[int(terrain.climate(point)[0])]
    now_c, soon_c = terrain.temperature_c(np.repeat(point, 2, axis=0), [month, month % 12 + 1])
    wet = float(terrain.moisture(point)[0])
    soil_rgb = _soil(float(terrain.soil_tone(point)[0]))
    tree, leaf_rgb = _foliage(climate, float(now_c), float(soon_c))
    return Nature(
        cloudiness=0.1 + 0.75 * wet,
        haze=0.35 * abs(wet - 0.45) / 0.55,
        ground_rgb=mix(_GROUND[climate], soil_rgb, 0.6 - 0.5 * wet),
        soil_rgb=soil_rgb,
        leaf_rgb=leaf_rgb,
        tree=tree,
        tree_density=min(1.0, _DENSITY[climate] * (0.6 + 0.7 * wet)),
        snow=float(np.clip((1.0 - now_c) / 6.0, 0.0, 1.0)) * min(1.0, 0.4 + wet),
        relief=float(terrain.relief(point)[0]) * (0.4 + min(0.6, float(terrain.elevation_m(point)[0]) / 1500)),
    )


def _soil(tone: float) -> Rgb:
    if tone < 0.5:
        return mix(_DARK_SOIL, _YELLOW_SOIL, 2 * tone)
    return mix(_YELLOW_SOIL, _RED_SOIL, 2 * tone - 1)


def _foliage(climate: str, now_c: float, soon_c: float) -> tuple[str, Rgb]:
    """Return tree and leaf colour: leafy trees redden as the year cools below 13 degrees and stand bare below 4."""
    if climate != "temperate" or (now_c >= 13 and soon_c >= 8):
        return _TREE[climate], _LEAF[climate]
    if now_c < 4:
        return "bare", _TWIGS
    return "leafy", _AUTUMN if soon_c < now_c else mix(_LEAF[climate], (170, 200, 90), 0.6)
