"""Countries, regions, their names and their looks."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pigeon_edge.geodesy import haversine_km
from pigeon_training.planet import World, make_world
from pigeon_training.planet.names import COUNTRY_CODES
from pigeon_training.planet.nations import COUNTRIES
from pigeon_training.planet.style import differing
from pigeon_training.planet.terrain import even_points


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


def test_names_and_codes_are_unique(world: World) -> None:
    names = world.names
    together = (*names.countries, *names.regions, *names.towns)
    assert len(set(together)) == len(together)
    assert len(set(names.codes)) == len(names.codes) == COUNTRIES
    assert all(name.isalpha() and name[0].isupper() for name in together)


def test_codes_are_those_that_iso_3166_leaves_to_its_users() -> None:
    assert len(set(COUNTRY_CODES)) == len(COUNTRY_CODES)
    assert all(code[0] == "X" or (code[0] == "Q" and code[1] >= "M") for code in COUNTRY_CODES)


def test_every_country_and_region_is_reached(world: World) -> None:
    country, region = world.nation_of(world.nations.land)
    assert set(country) == set(range(COUNTRIES))
    assert set(region) == set(range(len(world.nations.regions)))


def test_a_region_lies_in_its_own_country(world: World) -> None:
    country, region = world.nation_of(world.nations.land[::20])
    assert [world.nations.regions[r].country for r in region] == country.tolist()


def test_each_country_has_four_to_seven_regions(world: World) -> None:
    counts = np.bincount([region.country for region in world.nations.regions])
    assert counts.min() >= 4
    assert counts.max() <= 7


def test_the_sea_belongs_to_nobody(world: World) -> None:
    points = even_points(2000)
    country, region = world.nation_of(points)
    at_sea = ~world.terrain.is_land(points)
    assert (country[at_sea] == -1).all()
    assert (region[at_sea] == -1).all()
    assert (country[~at_sea] >= 0).all()


def test_land_a_kilometre_away_is_nearly_always_the_same_region(world: World) -> None:
    land = world.nations.land[::10]
    _, here = world.nation_of(land)
    _, there = world.nation_of(land + np.array([0.009, 0.0]))
    assert (here == there).mean() > 0.95


def test_a_country_keeps_together(world: World) -> None:
    land = world.nations.land[::10]
    country, _ = world.nation_of(land)
    gaps_km = haversine_km(land[:, None], land[None])
    same = country[:, None] == country[None]
    assert gaps_km[same].mean() < 0.35 * gaps_km[~same].mean()


def test_any_two_countries_differ_in_several_cues(world: World) -> None:
    styles = [country.style.cues() for country in world.nations.countries]
    assert min(differing(a, b) for a, b in combinations(styles, 2)) >= 4


def test_any_two_regions_of_a_country_differ_in_roofs_walls_and_signs(world: World) -> None:
    for a, b in combinations(world.nations.regions, 2):
        if a.country == b.country:
            assert differing(a.style.cues()[:4], b.style.cues()[:4]) == 4


def test_countries_drive_on_either_side(world: World) -> None:
    left = [country.style.drives_left for country in world.nations.countries]
    assert 5 <= sum(left) <= COUNTRIES - 5
