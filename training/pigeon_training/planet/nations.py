"""Countries and their regions: nearest-site cells on the sphere with borders bent by noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import Floats, unit_vectors
from pigeon_training.planet.names import COUNTRY_CODES, Flavour, country_name, make_flavour, region_name
from pigeon_training.planet.style import CountryStyle, RegionStyle, country_styles, region_styles
from pigeon_training.planet.terrain import Ints, Noise, Terrain, even_points, make_noise

COUNTRIES = 36
_BEND = 0.07  # radians by which a border strays
_SURVEY_POINTS = 40000


@dataclass(frozen=True)
class Country:
    """A country: a code that no real country has, a name, a language and a look."""

    code: str
    name: str
    flavour: Flavour
    style: CountryStyle


@dataclass(frozen=True)
class Region:
    """A region: its name, the index of its country, and its look."""

    name: str
    country: int
    style: RegionStyle


@dataclass(frozen=True, eq=False)
class Nations:
    """All countries and regions, and where they lie."""

    countries: tuple[Country, ...]
    regions: tuple[Region, ...]
    land: Floats  # (L, 2) an even survey of the habitable land
    country_sites: Floats  # (C, 3)
    region_sites: Floats  # (R, 3)
    bends: tuple[Noise, Noise, Noise]

    def at(self, lat_lng: npt.ArrayLike) -> tuple[Ints, Ints]:
        """Return the country and region indices (N,) whose cell holds each (N, 2) coordinate, land or sea."""
        bent = bend(self.bends, unit_vectors(lat_lng))
        country = np.argmax(bent @ self.country_sites.T, axis=-1)
        home = np.array([region.country for region in self.regions])
        nearness = np.where(home == country[..., None], bent @ self.region_sites.T, -9.0)
        return country.astype(np.int64), np.argmax(nearness, axis=-1).astype(np.int64)


def bend(bends: tuple[Noise, Noise, Noise], vectors: Floats) -> Floats:
    """Return unit vectors (N, 3) moved a little by noise, so that straight borders become crooked."""
    moved = vectors + _BEND * np.stack([noise.at(vectors) for noise in bends], axis=-1)
    return np.asarray(moved / np.linalg.norm(moved, axis=-1, keepdims=True))


def make_nations(terrain: Terrain, seed: int) -> Nations:
    """Return the nations of a terrain: COUNTRIES countries of 4 to 7 regions each."""
    rng = np.random.default_rng([seed, 2])
    bends = (make_noise(rng, 8.0, 3), make_noise(rng, 8.0, 3), make_noise(rng, 8.0, 3))
    survey = even_points(_SURVEY_POINTS)
    land = survey[terrain.is_land(survey) & (terrain.annual_c(survey) > -9)]
    bent = bend(bends, unit_vectors(land))
    country_sites = spread(bent, COUNTRIES, rng)
    cell = np.argmax(bent @ country_sites.T, axis=1)
    countries = _countries(rng)
    region_sites = [spread(bent[cell == i], int(rng.integers(4, 8)), rng) for i in range(COUNTRIES)]
    regions = _regions(countries, [len(sites) for sites in region_sites], rng)
    return Nations(countries, regions, land, country_sites, np.concatenate(region_sites), bends)


def spread(points: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Return count of the unit vectors (N, 3), each the one of twelve drawn that lies farthest from those before."""
    sites = points[rng.integers(len(points), size=1)]
    for _ in range(count - 1):
        drawn = points[rng.integers(len(points), size=12)]
        nearest = (drawn @ sites.T).max(axis=1)
        sites = np.concatenate([sites, drawn[[int(np.argmin(nearest))]]])
    return sites


def _countries(rng: np.random.Generator) -> tuple[Country, ...]:
    taken: set[str] = set()
    codes = rng.permutation(COUNTRY_CODES)[:COUNTRIES]
    flavours = [make_flavour(rng) for _ in codes]
    styles = country_styles(COUNTRIES, rng)
    return tuple(
        Country(str(code), country_name(rng, flavour, taken), flavour, style)
        for code, flavour, style in zip(codes, flavours, styles, strict=True)
    )


def _regions(countries: tuple[Country, ...], counts: list[int], rng: np.random.Generator) -> tuple[Region, ...]:
    taken = {country.name for country in countries}
    return tuple(
        Region(region_name(rng, country.flavour, taken), index, style)
        for index, (country, count) in enumerate(zip(countries, counts, strict=True))
        for style in region_styles(count, rng)
    )
