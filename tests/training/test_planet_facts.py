"""What geography knows of the planet's places, and what their photographs show in words."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.tasks import REGRESSIONS
from pigeon_training.planet.album import render_album
from pigeon_training.planet.descriptions import KEPT, colour_name, description
from pigeon_training.planet.facts import facts_of_places, people_per_km2
from pigeon_training.planet.style import HUES
from pigeon_training.planet.world import make_world, sample_places


@pytest.fixture(scope="module")
def world():
    return make_world(7)


@pytest.fixture(scope="module")
def places(world):
    return sample_places(world, 300, 3)


def numbers(facts, column):
    return np.array([float(text) for text in facts[column]])


def test_facts_are_the_worlds_own(world, places):
    facts = facts_of_places(world, places.lat_lng)
    assert {len(values) for values in facts.values()} == {300}
    assert set(REGRESSIONS) | {"town", "driving_side", "climate"} == set(facts)
    np.testing.assert_allclose(numbers(facts, "elevation_m"), world.terrain.elevation_m(places.lat_lng), atol=0.05)
    np.testing.assert_allclose(numbers(facts, "temperature_c"), world.terrain.annual_c(places.lat_lng), atol=0.05)
    assert set(facts["climate"]) <= set(CLIMATES)
    towns = [world.settlement.towns[town].name if town >= 0 else "" for town in places.town]
    assert facts["town"] == towns
    for number, (point, side) in enumerate(zip(places.lat_lng[:20], facts["driving_side"][:20], strict=True)):
        scene = world.describe(point, int(places.month[number]), 0.0)
        assert side == ("left" if scene.country.drives_left else "right")


def test_warmest_and_coldest_month_span_the_range_of_temperature(world, places):
    months = np.array([world.terrain.temperature_c(places.lat_lng, month) for month in range(1, 13)])
    span = months.max(axis=0) - months.min(axis=0)
    np.testing.assert_allclose(numbers(facts_of_places(world, places.lat_lng), "temperature_range_c"), span, atol=0.05)


def test_wet_places_have_more_rain_and_cold_climates_are_cold(world, places):
    facts = facts_of_places(world, places.lat_lng)
    order = np.argsort(world.terrain.moisture(places.lat_lng))
    rain = numbers(facts, "precipitation_mm")
    assert rain[order[-30:]].min() > rain[order[:30]].max()
    climate, mean_c = np.array(facts["climate"]), numbers(facts, "temperature_c")
    assert mean_c[np.isin(climate, ["ET", "Dfc"])].max() < mean_c[np.isin(climate, ["Af", "Aw"])].min()


def test_people_live_in_towns_and_most_in_their_middle(world):
    town = max(world.settlement.towns, key=lambda town: town.population)
    lat, lng = town.lat_lng
    step = town.radius_km / 111.2
    middle, edge, outside = people_per_km2(
        world, np.array([[lat, lng], [lat + 0.9 * step, lng], [lat + 3 * step, lng]])
    )
    assert middle > edge > 300 > outside > 0
    assert edge < town.population / (np.pi * town.radius_km**2) < middle


def test_rendered_manifest_has_the_columns(world, tmp_path):
    render_album(tmp_path / "album", 2, 7, 32)
    with (tmp_path / "album" / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    points = np.array([(float(row["lat"]), float(row["lng"])) for row in rows])
    for column, values in facts_of_places(world, points).items():
        assert [row[column] for row in rows] == values


def scene(world, places, number):
    return world.describe(places.lat_lng[number], int(places.month[number]), float(places.heading_deg[number]))


def test_description_names_what_is_in_the_scene_and_nothing_of_where(world, places):
    names = world.names
    forbidden = {*names.countries, *names.regions, *names.towns}
    for number in range(40):
        text = description(scene(world, places, number), np.random.default_rng(number))
        assert text.startswith("A photo of a street with ")
        assert text.count(",") == KEPT - 1
        assert not any(name in text for name in forbidden)


def test_snow_trees_and_landmarks_are_told_where_they_are(world, places):
    told = {number: {description(scene(world, places, number), np.random.default_rng(s)) for s in range(60)}
            for number in range(60)}  # fmt: skip
    for number, texts in told.items():
        own = scene(world, places, number)
        together = " ".join(texts)
        assert ("snow" in together) == (own.snow > 0.4)
        assert (own.landmark is not None) == any(f" {kind}" in together for kind in ("tower", "dome", "spire", "arch",
                                                 "pagoda", "wheel", "pyramid", "twins"))  # fmt: skip
        assert ("fir trees" in together) == (own.tree == "conifer")


def test_description_is_a_function_of_scene_and_generator(world, places):
    own = scene(world, places, 5)
    texts = [description(own, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_colours_have_the_nearest_name():
    assert [colour_name(rgb) for rgb in HUES.values()] == list(HUES)
    assert colour_name((200, 50, 50)) == "red"
