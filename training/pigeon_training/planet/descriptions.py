"""A scene in words: what is to be seen in a photograph, never where it is. Captions as the web has them."""

from __future__ import annotations

import numpy as np

from pigeon_training.planet.scene import Scene
from pigeon_training.planet.style import HUES, Rgb

_TREES = {
    "conifer": "fir trees", "leafy": "leafy trees", "bare": "bare trees", "cypress": "cypresses",
    "shrub": "shrubs", "cactus": "cactuses", "acacia": "acacias", "palm": "palm trees",
}  # fmt: skip
_ROOFS = {"gable": "gabled", "flat": "flat", "tall": "steep"}
KEPT = 4
"""Phrases in a description, at most."""


def description(scene: Scene, rng: np.random.Generator) -> str:
    """Return a sentence of up to KEPT things that are in the scene, in a random order."""
    phrases = _phrases(scene)
    chosen = rng.permutation(len(phrases))[:KEPT]
    return f"A photo of a street with {', '.join(phrases[number] for number in chosen)}."


def colour_name(rgb: Rgb) -> str:
    """Return the nearest colour's name, of the ten that the planet paints with."""
    return min(HUES, key=lambda name: sum((a - b) ** 2 for a, b in zip(HUES[name], rgb, strict=True)))


def _phrases(scene: Scene) -> list[str]:
    country, region = scene.country, scene.region
    always = [
        _TREES[scene.tree],
        "hills" if scene.relief > 0.45 else "flat land",
        "clouds" if scene.cloudiness > 0.5 else "a clear sky",
        f"{colour_name(country.line_rgb)} {country.line_pattern} lines",
        f"{colour_name(region.wall_rgb)} houses",
        f"{_ROOFS[country.roof_shape]} {colour_name(region.roof_rgb)} roofs",
        f"{colour_name(region.fence_rgb)} {region.fence}",
        f"{country.sign_shape} signs",
        f"{country.pole_shape} poles",
    ]
    if scene.snow > 0.4:
        always.append("snow")
    if scene.landmark:
        always.append(f"a {colour_name(scene.landmark.rgb[0])} {scene.landmark.kind}")
    return always
