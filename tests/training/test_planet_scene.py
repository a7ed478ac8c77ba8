"""What the world model says is seen."""

from __future__ import annotations

import numpy as np
import pytest

from pigeon_edge.errors import UsageError
from pigeon_training.planet import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


def land_near(world: World, lat_deg: float) -> np.ndarray:
    land = world.nations.land
    return land[np.argmin(np.abs(land[:, 0] - lat_deg))]


def test_looking_south_in_the_north_faces_the_sun(world: World) -> None:
    assert world.describe(land_near(world, 50), 3, 180.0).sun_azimuth_deg == pytest.approx(0)
    assert abs(world.describe(land_near(world, 50), 3, 0.0).sun_azimuth_deg) == pytest.approx(180)


def test_looking_north_in_the_south_faces_the_sun(world: World) -> None:
    assert world.describe(land_near(world, -50), 3, 0.0).sun_azimuth_deg == pytest.approx(0)


def test_turning_right_moves_the_sun_to_the_left(world: World) -> None:
    assert world.describe(land_near(world, 50), 3, 270.0).sun_azimuth_deg == pytest.approx(-90)


def test_the_sun_is_higher_in_summer(world: World) -> None:
    north, south = land_near(world, 50), land_near(world, -50)
    assert world.describe(north, 6, 0.0).sun_height_deg > world.describe(north, 12, 0.0).sun_height_deg + 40
    assert world.describe(south, 12, 0.0).sun_height_deg > world.describe(south, 6, 0.0).sun_height_deg + 40


def test_snow_lies_in_winter_and_not_in_summer(world: World) -> None:
    north, south = land_near(world, 62), land_near(world, -62)
    assert world.describe(north, 1, 0.0).snow > 0.3
    assert world.describe(north, 7, 0.0).snow == 0
    assert world.describe(south, 7, 0.0).snow > 0.3
    assert world.describe(south, 1, 0.0).snow == 0


def test_a_town_has_its_landmark_and_the_country_has_none(world: World) -> None:
    town = world.settlement.towns[0]
    scene = world.describe(town.lat_lng, 6, 0.0)
    assert scene.landmark == town.landmark
    assert scene.country == world.nations.countries[town.country].style
    assert scene.region == world.nations.regions[town.region].style
    lonely = world.nations.land[np.argmax(world.settlement.town_at(world.nations.land)[1])]
    assert world.describe(lonely, 6, 0.0).landmark is None
    assert world.describe(lonely, 6, 0.0).built_up < scene.built_up


def test_a_scene_does_not_depend_on_how_a_longitude_is_written(world: World) -> None:
    lat, lng = world.settlement.towns[5].lat_lng
    assert world.describe((lat, lng), 4, 10.0).country == world.describe((lat, lng + 360), 4, 10.0).country


def test_leafy_trees_turn_with_the_year(world: World) -> None:
    land = world.nations.land
    north = land[(land[:, 0] > 40) & (world.terrain.climate(land) == 2)]
    trees = {(scene.tree, scene.leaf_rgb) for month in range(1, 13) for scene in [world.describe(north[0], month, 0.0)]}
    assert len(trees) >= 3


@pytest.mark.parametrize("month", [0, 13])
def test_a_month_outside_the_year_is_refused(world: World, month: int) -> None:
    with pytest.raises(UsageError, match=f"month from 1 to 12, got {month}"):
        world.describe((0.0, 0.0), month, 0.0)
