"""Towns on the land and the places where photographs are taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import EARTH_RADIUS_KM, Floats, destination, unit_vectors
from pigeon_training.planet.names import town_name
from pigeon_training.planet.nations import Nations
from pigeon_training.planet.style import Landmark, landmarks
from pigeon_training.planet.terrain import Ints, Terrain

TOWNS = 500
LARGEST_SHARE = 0.02
_RURAL_SHARE = 0.15
_TRIES = 8


@dataclass(frozen=True)
class Town:
    """A town: where it lies, how large it is, and what its photographs have in common."""

    name: str
    lat_lng: tuple[float, float]
    country: int
    region: int
    population: int
    radius_km: float
    landmark: Landmark


@dataclass(frozen=True, eq=False)
class Settlement:
    """All towns, with their vectors and radii as arrays for quick look-ups."""

    towns: tuple[Town, ...]
    lat_lng: Floats  # (T, 2)
    vectors: Floats  # (T, 3)
    radius_km: Floats  # (T,)
    share: Floats  # (T,) of all photographs in towns

    def town_at(self, lat_lng: npt.ArrayLike) -> tuple[Ints, Floats]:
        """Return the town index (N,), -1 outside all, and the distance (N,) to its centre in its radii, for (N, 2)."""
        cosine = unit_vectors(lat_lng) @ self.vectors.T
        nearest = np.argmax(cosine, axis=-1)
        top = np.clip(np.take_along_axis(cosine, nearest[..., None], axis=-1)[..., 0], -1, 1)
        radii = EARTH_RADIUS_KM * np.arccos(top) / self.radius_km[nearest]
        return np.where(radii <= 1.0, nearest, -1).astype(np.int64), np.asarray(radii)


@dataclass(frozen=True, eq=False)
class Places:
    """Where, when and in which direction photographs start; four are taken at each place, 90 degrees apart."""

    place_id: tuple[str, ...]
    lat_lng: Floats  # (N, 2)
    month: Ints  # (N,) 1 to 12
    heading_deg: Floats  # (N,)
    town: Ints  # (N,) index of the town, -1 in the countryside


def make_settlement(terrain: Terrain, nations: Nations, seed: int) -> Settlement:
    """Return TOWNS towns on the land, at least one in every region, the larger ones where life is easier."""
    rng = np.random.default_rng([seed, 3])
    appeal = _appeal(terrain, nations.land)
    sites = _sites(nations, appeal, rng)
    populations = _populations(appeal[sites], rng)
    radius_km = np.clip(2 + 10 * (populations / populations.max()) ** 0.5, 2, 12)
    lat_lng = nations.land[sites]
    towns = _towns(nations, lat_lng, populations, radius_km, rng)
    return Settlement(towns, lat_lng, unit_vectors(lat_lng), radius_km, _clipped_share(populations))


def _appeal(terrain: Terrain, lat_lng: Floats) -> Floats:
    coast = np.mean([~terrain.is_land(destination(lat_lng, bearing, 120.0)) for bearing in range(0, 360, 60)], axis=0)
    mild = np.exp(-(((terrain.annual_c(lat_lng) - 15) / 12) ** 2))
    low = np.exp(-terrain.elevation_m(lat_lng) / 900)
    product = (0.05 + mild) * (0.2 + low) * (0.4 + coast) * (0.3 + terrain.moisture(lat_lng))
    return np.asarray(product**0.6)


def _sites(nations: Nations, appeal: Floats, rng: np.random.Generator) -> Ints:
    """Return indices (TOWNS,) into the surveyed land: the best of each region's draws first, the rest by appeal."""
    _, region = nations.at(nations.land)
    luck = appeal * rng.exponential(size=len(appeal))
    order = np.argsort(-luck)
    _, first = np.unique(region[order], return_index=True)
    capitals = order[first]
    others = order[~np.isin(order, capitals)][: TOWNS - len(capitals)]
    return np.concatenate([capitals, others]).astype(np.int64)


def _populations(appeal: Floats, rng: np.random.Generator) -> Ints:
    rank = np.empty(len(appeal))
    rank[np.argsort(-appeal * rng.exponential(size=len(appeal)))] = np.arange(1, len(appeal) + 1)
    return np.asarray(4_000_000 / rank**0.85).astype(np.int64)


def _clipped_share(populations: Ints) -> Floats:
    share = populations**0.6 / (populations**0.6).sum()
    for _ in range(20):
        share = np.minimum(share, LARGEST_SHARE * 0.95)
        share = share / share.sum()
    return np.asarray(share)


def _towns(
    nations: Nations, lat_lng: Floats, populations: Ints, radius_km: Floats, rng: np.random.Generator
) -> tuple[Town, ...]:
    country, region = nations.at(lat_lng)
    looks = landmarks(len(lat_lng), rng)
    taken = {country.name for country in nations.countries} | {region.name for region in nations.regions}
    return tuple(
        Town(
            name=town_name(rng, nations.countries[country[i]].flavour, taken),
            lat_lng=(float(lat_lng[i, 0]), float(lat_lng[i, 1])),
            country=int(country[i]),
            region=int(region[i]),
            population=int(populations[i]),
            radius_km=float(radius_km[i]),
            landmark=looks[i],
        )
        for i in range(len(lat_lng))
    )


def draw_places(
    terrain: Terrain, nations: Nations, settlement: Settlement, *, world_seed: int, count: int, seed: int
) -> Places:
    """Return count places; each depends on the two seeds and its index alone, so a longer draw starts the same."""
    dice = np.random.default_rng([world_seed, 4, seed]).random((count, 6 + 2 * _TRIES))
    rural = dice[:, 0] < _RURAL_SHARE
    home = np.minimum(np.searchsorted(np.cumsum(settlement.share), dice[:, 1]), len(settlement.towns) - 1)
    field = (dice[:, 2] * len(nations.land)).astype(np.int64)
    centre = np.where(rural[:, None], nations.land[field], settlement.lat_lng[home])
    sigma_km = np.where(rural, 30.0, settlement.radius_km[home] * 0.45)
    reach_km = np.where(rural, 90.0, settlement.radius_km[home] * 0.98)
    lat_lng = _scatter(terrain, centre, sigma_km, reach_km, dice[:, 6:].reshape(count, _TRIES, 2))
    return Places(
        place_id=tuple(f"planet{world_seed}-{seed}-{index:06d}" for index in range(count)),
        lat_lng=lat_lng,
        month=(1 + dice[:, 3] * 12).astype(np.int64),
        heading_deg=np.asarray(dice[:, 4] * 360),
        town=settlement.town_at(lat_lng)[0],
    )


def _scatter(terrain: Terrain, centre: Floats, sigma_km: Floats, reach_km: Floats, dice: Floats) -> Floats:
    """Return points (N, 2) round centres, none at sea: the first try on land and in reach, else the centre."""
    placed, open_ = centre.copy(), np.ones(len(centre), bool)
    for trial in range(dice.shape[1]):
        distance_km = sigma_km * np.sqrt(-2 * np.log1p(-dice[:, trial, 0]))
        tried = destination(centre, dice[:, trial, 1] * 360, distance_km)
        good = open_ & (distance_km < reach_km) & terrain.is_land(tried)
        placed[good] = tried[good]
        open_ &= ~good
    return placed
