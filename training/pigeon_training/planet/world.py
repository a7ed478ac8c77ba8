"""The world model: it answers for any coordinate, month and direction what a photograph there would show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import wrap_lng
from pigeon_training.planet.nations import Nations, make_nations
from pigeon_training.planet.nature import Nature, nature_at
from pigeon_training.planet.scene import Scene
from pigeon_training.planet.settlement import Places, Settlement, draw_places, make_settlement
from pigeon_training.planet.terrain import Ints, Terrain, make_terrain, noon_sun


@dataclass(frozen=True)
class Names:
    """The names of everything, by index."""

    countries: tuple[str, ...]
    codes: tuple[str, ...]
    regions: tuple[str, ...]
    towns: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class World:
    """An invented planet; two worlds of one seed are the same."""

    seed: int
    terrain: Terrain
    nations: Nations
    settlement: Settlement

    @property
    def names(self) -> Names:
        """Return the names and codes of countries, regions and towns in the order of their indices."""
        countries, regions = self.nations.countries, self.nations.regions
        return Names(
            tuple(country.name for country in countries),
            tuple(country.code for country in countries),
            tuple(region.name for region in regions),
            tuple(town.name for town in self.settlement.towns),
        )

    def nation_of(self, lat_lng: npt.ArrayLike) -> tuple[Ints, Ints]:
        """Return country and region indices (N,) of (N, 2) coordinates, both -1 at sea; regions count on worldwide."""
        points = np.asarray(lat_lng, np.float64)
        land = self.terrain.is_land(points)
        country, region = self.nations.at(points)
        return np.where(land, country, -1), np.where(land, region, -1)

    def describe(self, lat_lng: npt.ArrayLike, month: int, heading_deg: float) -> Scene:
        """Return what is seen at one coordinate (2,) in a month (1 to 12) when looking along heading_deg.

        A coordinate at sea is given the look of the nearest country's shore. Raises UsageError for another month.
        """
        if not 1 <= month <= 12:
            raise UsageError(f"expected a month from 1 to 12, got {month}; January is 1")
        point = np.asarray(lat_lng, np.float64).reshape(1, 2)
        (country,), (region,) = self.nations.at(point)
        (town,), (radii,) = self.settlement.town_at(point)
        azimuth_deg, height_deg = noon_sun(float(point[0, 0]), month)
        return _scene(
            nature_at(self.terrain, point, month),
            (float(wrap_lng(azimuth_deg - heading_deg)), height_deg),
            self,
            (int(country), int(region), int(town)),
            float(radii),
        )


def _scene(
    nature: Nature, sun_deg: tuple[float, float], world: World, where: tuple[int, int, int], radii: float
) -> Scene:
    country, region, town = where
    return Scene(
        sun_azimuth_deg=sun_deg[0],
        sun_height_deg=sun_deg[1],
        cloudiness=nature.cloudiness,
        haze=nature.haze,
        ground_rgb=nature.ground_rgb,
        soil_rgb=nature.soil_rgb,
        leaf_rgb=nature.leaf_rgb,
        tree=nature.tree,
        tree_density=nature.tree_density,
        snow=nature.snow,
        relief=nature.relief,
        country=world.nations.countries[country].style,
        region=world.nations.regions[region].style,
        landmark=world.settlement.towns[town].landmark if town >= 0 else None,
        built_up=1.0 - 0.55 * radii if town >= 0 else 0.12,
    )


def make_world(seed: int) -> World:
    """Return the world of a seed."""
    terrain = make_terrain(seed)
    nations = make_nations(terrain, seed)
    return World(seed, terrain, nations, make_settlement(terrain, nations, seed))


def sample_places(world: World, count: int, seed: int) -> Places:
    """Return count places, about 85 in 100 within towns, by population; a longer draw starts with a shorter one."""
    return draw_places(world.terrain, world.nations, world.settlement, world_seed=world.seed, count=count, seed=seed)
