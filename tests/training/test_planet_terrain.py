"""The fields of the invented planet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pigeon_edge.geodesy import haversine_km
from pigeon_training.planet.terrain import CLIMATES, LAND_SHARE, Terrain, even_points, make_terrain, noon_sun


@pytest.fixture(scope="module")
def terrain() -> Terrain:
    return make_terrain(3)


def fields(terrain: Terrain, lat_lng: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.stack([terrain._above_sea(lat_lng), terrain.annual_c(lat_lng), terrain.moisture(lat_lng)], axis=-1)


def test_no_field_has_a_seam_at_the_antimeridian(terrain: Terrain) -> None:
    lat = np.linspace(-85, 85, 60)
    west, east = (np.stack([lat, np.full_like(lat, lng)], axis=-1) for lng in (-179.9999, 179.9999))
    assert np.abs(fields(terrain, west) - fields(terrain, east)).max() < 0.01


@pytest.mark.parametrize("lat", [89.9999, -89.9999])
def test_every_meridian_agrees_at_the_pole(terrain: Terrain, lat: float) -> None:
    ring = np.stack([np.full(24, lat), np.linspace(-180, 165, 24)], axis=-1)
    assert np.ptp(fields(terrain, ring), axis=0).max() < 0.01


def test_a_third_or_so_is_land_and_every_climate_occurs(terrain: Terrain) -> None:
    points = even_points(6000)
    land = terrain.is_land(points)
    assert land.mean() == pytest.approx(LAND_SHARE, abs=0.03)
    assert set(terrain.climate(points[land])) == set(range(len(CLIMATES)))


def test_height_is_zero_at_sea_and_positive_on_land(terrain: Terrain) -> None:
    points = even_points(3000)
    land, height_m = terrain.is_land(points), terrain.elevation_m(points)
    assert (height_m[~land] == 0).all()
    assert (height_m[land] > 0).all()
    assert height_m.max() < 9000


def test_july_is_summer_in_the_north_and_winter_in_the_south(terrain: Terrain) -> None:
    north_c = terrain.temperature_c(np.array([[50.0, 10.0], [50.0, 10.0]]), [7, 1])
    south_c = terrain.temperature_c(np.array([[-50.0, 10.0], [-50.0, 10.0]]), [7, 1])
    assert north_c[0] > north_c[1] + 10
    assert south_c[1] > south_c[0] + 10


def test_it_is_colder_towards_the_poles(terrain: Terrain) -> None:
    points = even_points(4000)
    cold = terrain.annual_c(points)
    assert cold[np.abs(points[:, 0]) > 65].max() < cold[np.abs(points[:, 0]) < 15].mean()


def test_the_noon_sun_stands_south_in_the_north_and_north_in_the_south() -> None:
    assert noon_sun(45.0, 3)[0] == 180.0
    assert noon_sun(-45.0, 3)[0] == 0.0


def test_the_noon_sun_is_high_in_summer_and_low_in_winter() -> None:
    assert noon_sun(50.0, 6)[1] == pytest.approx(63.4, abs=1)
    assert noon_sun(50.0, 12)[1] == pytest.approx(16.6, abs=1)
    assert noon_sun(-50.0, 12)[1] > noon_sun(-50.0, 6)[1] + 40
    assert noon_sun(80.0, 12)[1] < 0


def test_even_points_are_evenly_spaced() -> None:
    points = even_points(500)
    gaps_km = haversine_km(points[:, None], points[None])
    np.fill_diagonal(gaps_km, np.inf)
    nearest_km = gaps_km.min(axis=1)
    assert nearest_km.max() < 2.0 * nearest_km.min()


def test_one_seed_makes_one_planet_and_another_seed_another() -> None:
    points = even_points(200)
    first, again, other = (make_terrain(seed).elevation_m(points) for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()
