"""What geography knows of the planet's places: the columns that ``train geography`` looks up for real ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import Floats
from pigeon_training.planet.terrain import CLIMATES, Terrain
from pigeon_training.planet.world import World

KOEPPEN = {
    "tundra": "ET", "taiga": "Dfc", "temperate": "Cfb", "mediterranean": "Csa",
    "steppe": "BSk", "desert": "BWh", "savanna": "Aw", "rainforest": "Af",
}  # fmt: skip
"""The Koeppen-Geiger class that each of the planet's climates stands for."""

_MEAN_OF_FALL = 1 - 0.55 * 2 / 3
"""Mean over a disc of 1 - 0.55 * radii, as houses thin out towards a town's edge."""


def facts_of_places(world: World, lat_lng: npt.ArrayLike) -> dict[str, list[str]]:
    """Return columns of text, a value for each of (N, 2) coordinates; units of ``data/geography/augment.py``."""
    points = np.asarray(lat_lng, np.float64)
    terrain, towns = world.terrain, world.settlement.towns
    country, _ = world.nations.at(points)
    town, _ = world.settlement.town_at(points)
    rain_mm, rain_range_mm = _rain_mm(terrain, points)
    swing_c = np.abs(terrain.temperature_c(points, 7) - terrain.temperature_c(points, 1))
    return {
        "town": [towns[number].name if number >= 0 else "" for number in town],
        "driving_side": ["left" if world.nations.countries[c].style.drives_left else "right" for c in country],
        "climate": [KOEPPEN[CLIMATES[number]] for number in terrain.climate(points)],
        "elevation_m": _texts(terrain.elevation_m(points)),
        "population": _texts(people_per_km2(world, points)),
        "temperature_c": _texts(terrain.annual_c(points)),
        "temperature_range_c": _texts(swing_c),
        "precipitation_mm": _texts(rain_mm),
        "precipitation_range_mm": _texts(rain_range_mm),
    }


def people_per_km2(world: World, points: Floats) -> Floats:
    """Return the density of population (N,): a town's people within its radius, few where it is dry outside."""
    town, radii = world.settlement.town_at(points)
    homes = [world.settlement.towns[number] for number in town]
    mean = np.array([home.population / (np.pi * home.radius_km**2) for home in homes])
    within = mean * (1 - 0.55 * np.minimum(radii, 1.0)) / _MEAN_OF_FALL
    return np.where(town >= 0, within, 1 + 20 * world.terrain.moisture(points))


def _rain_mm(terrain: Terrain, points: Floats) -> tuple[Floats, Floats]:
    """Return a month's mean rain, and the wettest less the driest month's: seasons are strongest at 45 degrees."""
    mean = 5 + 195 * terrain.moisture(points) ** 2
    return mean, mean * (0.2 + 0.8 * np.abs(np.sin(2 * np.radians(points[:, 0]))))


def _texts(values: Floats) -> list[str]:
    return [f"{value:.1f}" for value in values]
