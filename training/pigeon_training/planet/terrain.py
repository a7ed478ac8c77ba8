"""Fields on the sphere of the invented planet: land, height, temperature, moisture and climate, all from a seed.

A field is a sum of plane waves through space, read off on unit vectors, so that neither the antimeridian nor a pole
is a seam.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pigeon_edge.geodesy import Floats, lat_lng_of, unit_vectors

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CLIMATES = ("tundra", "taiga", "temperate", "mediterranean", "steppe", "desert", "savanna", "rainforest")
LAND_SHARE = 0.36
OBLIQUITY_DEG = 23.44
_SURVEY_POINTS = 8000


@dataclass(frozen=True, eq=False)
class Noise:
    """A smooth random field of mean 0 and deviation about 1 on unit vectors."""

    waves: Floats  # (K, 3) radians per radius
    phases: Floats  # (K,) radians
    weights: Floats  # (K,)

    def at(self, vectors: Floats) -> Floats:
        """Return the field (N,) at unit vectors (N, 3)."""
        return np.asarray(np.cos(vectors @ self.waves.T + self.phases) @ self.weights)


def make_noise(rng: np.random.Generator, frequency: float, octaves: int, falloff: float = 0.55) -> Noise:
    """Return a field whose largest features span about pi / frequency radians."""
    each = 10
    directions = rng.normal(size=(octaves * each, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    octave = np.repeat(np.arange(octaves), each)
    weights = falloff**octave
    weights = weights / np.sqrt((weights**2).sum() / 2)
    phases = rng.uniform(0, 2 * np.pi, octaves * each)
    return Noise(directions * (frequency * 2.0**octave)[:, None], phases, weights)


def even_points(count: int) -> Floats:
    """Return (count, 2) coordinates spread evenly on the sphere (Fibonacci lattice, Swinbank and Purser 2006)."""
    index = np.arange(count) + 0.5
    z = 1 - 2 * index / count
    turn = np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - z * z)
    return lat_lng_of(np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=-1))


@dataclass(frozen=True, eq=False)
class Terrain:
    """The physical planet. Every method takes coordinates (N, 2) in degrees and returns (N,)."""

    height: Noise
    wetness: Noise
    warmth: Noise
    roughness: Noise
    soil: Noise
    sea_level: float
    summit: float

    def _above_sea(self, lat_lng: npt.ArrayLike) -> Floats:
        vectors = unit_vectors(lat_lng)
        polar = np.clip(np.abs(vectors[..., 2]) - 0.87, 0, None)
        return np.asarray(self.height.at(vectors) - 9.0 * polar - self.sea_level)

    def is_land(self, lat_lng: npt.ArrayLike) -> Flags:
        """Return whether each point is land."""
        return np.asarray(self._above_sea(lat_lng) > 0)

    def elevation_m(self, lat_lng: npt.ArrayLike) -> Floats:
        """Return the height above the sea in metres, 0 at sea; the highest land is near 3,500 m."""
        rise = np.clip(self._above_sea(lat_lng), 0, None) / self.summit
        return np.asarray(1800 * rise**1.3 * (1 + 0.9 * self.relief(lat_lng)))

    def relief(self, lat_lng: npt.ArrayLike) -> Floats:
        """Return the ruggedness of the country round about, 0 (plain) to 1 (mountains)."""
        return np.asarray(1 / (1 + np.exp(-2.2 * self.roughness.at(unit_vectors(lat_lng)))))

    def soil_tone(self, lat_lng: npt.ArrayLike) -> Floats:
        """Return the tone of the soil, 0 (dark loam) by 0.5 (yellow) to 1 (red earth)."""
        return np.asarray(1 / (1 + np.exp(-1.8 * self.soil.at(unit_vectors(lat_lng)))))

    def moisture(self, lat_lng: npt.ArrayLike) -> Floats:
        """Return the moisture, 0 (desert) to 1 (rainforest): wet at the equator and at 60 degrees, dry at 30."""
        lat = np.radians(np.asarray(lat_lng, np.float64)[..., 0])
        level = 0.5 + 0.24 * np.cos(6 * lat) + 0.16 * self.wetness.at(unit_vectors(lat_lng))
        return np.asarray(level.clip(0.0, 1.0), np.float64)

    def annual_c(self, lat_lng: npt.ArrayLike) -> Floats:
        """Return the mean temperature of the year in degrees Celsius, falling 5.5 degrees each 1,000 m."""
        vectors = unit_vectors(lat_lng)
        sine = np.abs(vectors[..., 2])
        level = 28 - 33 * sine**2 - 9 * sine**6 + 1.8 * self.warmth.at(vectors)
        return np.asarray(level - 0.0055 * self.elevation_m(lat_lng))

    def temperature_c(self, lat_lng: npt.ArrayLike, month: npt.ArrayLike) -> Floats:
        """Return the mean temperature of a month (1 to 12); July is the warmest north, January south of the equator."""
        season = np.cos(2 * np.pi * (np.asarray(month, np.float64) - 7) / 12)
        return np.asarray(self.annual_c(lat_lng) + season * _swing_c(lat_lng))

    def climate(self, lat_lng: npt.ArrayLike) -> Ints:
        """Return the index in CLIMATES of each point."""
        mean, wet = self.annual_c(lat_lng), self.moisture(lat_lng)
        tundra, hot = mean + np.abs(_swing_c(lat_lng)) < 10, mean >= 21
        tests = [tundra, mean < 4, wet < 0.25, hot & (wet < 0.62), hot, wet < 0.4, (mean >= 13) & (wet < 0.62)]
        return np.select(tests, [0, 1, 5, 6, 7, 4, 3], default=2).astype(np.int64)


def _swing_c(lat_lng: npt.ArrayLike) -> Floats:
    sine = np.sin(np.radians(np.asarray(lat_lng, np.float64)[..., 0]))
    return np.asarray(19 * np.sign(sine) * np.abs(sine) ** 1.2)


def sun_declination_deg(month: int) -> float:
    """Return the latitude where the noon sun stands overhead in the middle of a month (cosine approximation)."""
    return float(-OBLIQUITY_DEG * np.cos(2 * np.pi * (month - 0.5 + 1 / 3) / 12))


def noon_sun(lat_deg: float, month: int) -> tuple[float, float]:
    """Return azimuth (180 south, 0 north) and height in degrees of the noon sun; below 0 in the polar night."""
    declination = sun_declination_deg(month)
    return (180.0 if lat_deg >= declination else 0.0), 90.0 - abs(lat_deg - declination)


def make_terrain(seed: int) -> Terrain:
    """Return the terrain of a seed, its sea level set so that LAND_SHARE of the sphere is land."""
    rng = np.random.default_rng([seed, 1])
    height = make_noise(rng, 3.0, 5, falloff=0.6)
    wetness, warmth, roughness, soil = (make_noise(rng, frequency, 3) for frequency in (3.5, 4.0, 7.0, 5.0))
    trial = Terrain(height, wetness, warmth, roughness, soil, sea_level=0.0, summit=1.0)
    levels = trial._above_sea(even_points(_SURVEY_POINTS))
    sea = float(np.quantile(levels, 1 - LAND_SHARE))
    return replace(trial, sea_level=sea, summit=float(np.quantile(levels, 0.995)) - sea)
