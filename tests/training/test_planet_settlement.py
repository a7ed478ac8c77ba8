"""Towns and the places of photographs."""

from __future__ import annotations

import numpy as np
import pytest

from pigeon_edge.geodesy import haversine_km
from pigeon_training.planet import World, make_world, sample_places
from pigeon_training.planet.settlement import LARGEST_SHARE, TOWNS


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


def test_towns_lie_on_land_in_the_nation_they_name(world: World) -> None:
    country, region = world.nation_of(world.settlement.lat_lng)
    assert len(world.settlement.towns) == TOWNS
    assert country.tolist() == [town.country for town in world.settlement.towns]
    assert region.tolist() == [town.region for town in world.settlement.towns]


def test_every_region_has_a_town(world: World) -> None:
    assert {town.region for town in world.settlement.towns} == set(range(len(world.nations.regions)))


def test_no_two_towns_have_the_same_landmark(world: World) -> None:
    marks = {town.landmark for town in world.settlement.towns}
    assert len(marks) == TOWNS
    assert all(mark.rgb[0] != mark.rgb[1] for mark in marks)


def test_a_few_towns_are_large_and_most_are_small(world: World) -> None:
    population = np.array([town.population for town in world.settlement.towns])
    assert population.max() > 20 * np.median(population)
    assert world.settlement.radius_km.min() >= 2
    assert world.settlement.radius_km.max() <= 12


def test_no_place_lies_in_the_sea(world: World) -> None:
    places = sample_places(world, 4000, 1)
    assert world.terrain.is_land(places.lat_lng).all()


def test_most_places_lie_in_towns_and_none_dominates(world: World) -> None:
    places = sample_places(world, 20000, 1)
    assert (places.town >= 0).mean() == pytest.approx(0.85, abs=0.02)
    visits = np.bincount(places.town[places.town >= 0], minlength=TOWNS)
    assert visits.max() / len(places.town) < LARGEST_SHARE
    assert (visits >= 4).mean() > 0.9


def test_a_place_in_a_town_lies_within_its_radius(world: World) -> None:
    places = sample_places(world, 2000, 1)
    inside = places.town >= 0
    towns = places.town[inside]
    away_km = haversine_km(places.lat_lng[inside], world.settlement.lat_lng[towns])
    assert (away_km <= world.settlement.radius_km[towns] + 1e-6).all()


def test_place_ids_are_unique_and_tell_the_draw(world: World) -> None:
    first, second = sample_places(world, 500, 1), sample_places(world, 500, 2)
    assert len({*first.place_id, *second.place_id}) == 1000
    assert first.place_id[7] == "planet3-1-000007"


def test_a_longer_draw_starts_with_the_shorter_one(world: World) -> None:
    short, long = sample_places(world, 50, 9), sample_places(world, 80, 9)
    assert long.place_id[:50] == short.place_id
    assert (long.lat_lng[:50] == short.lat_lng).all()
    assert (long.month[:50] == short.month).all()


def test_months_and_headings_cover_their_ranges(world: World) -> None:
    places = sample_places(world, 2000, 1)
    assert set(places.month) == set(range(1, 13))
    assert places.heading_deg.min() >= 0
    assert places.heading_deg.max() < 360


def test_an_empty_draw_is_empty(world: World) -> None:
    places = sample_places(world, 0, 1)
    assert places.place_id == ()
    assert places.lat_lng.shape == (0, 2)
