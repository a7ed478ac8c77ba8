"""Geometry on the sphere: great-circle distances, unit vectors, spherical means.

Coordinates are ``lat_lng`` arrays of shape (..., 2) in decimal degrees, latitude first. Longitudes
may lie outside [-180, 180); results never do. Everything here is pure and broadcasts.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

EARTH_RADIUS_KM = 6371.0088
"""Mean radius R1 of the IUGG, the only radius in the project (Moritz 2000, Geodetic Reference System 1980)."""


class LatLng(NamedTuple):
    """WGS84 coordinates in decimal degrees, latitude first.

    >>> print(LatLng(-33.5, -70.75))
    33.5000S 70.7500W
    """

    lat: float
    lng: float

    def __str__(self) -> str:
        north_south = "S" if self.lat < 0 else "N"
        east_west = "W" if self.lng < 0 else "E"
        return f"{abs(self.lat):.4f}{north_south} {abs(self.lng):.4f}{east_west}"


def haversine_km(a_lat_lng: npt.ArrayLike, b_lat_lng: npt.ArrayLike) -> Floats:
    """Return great-circle distances in km between (..., 2) coordinates; shapes broadcast.

    Haversine form (Sinnott 1984): exact to rounding for near points, and clipped for antipodes.

    >>> eiffel_tower, big_ben = (48.8583, 2.2944), (51.5007, -0.1246)
    >>> round(float(haversine_km(eiffel_tower, big_ben)))
    341
    """
    a, b = np.radians(np.asarray(a_lat_lng, np.float64)), np.radians(np.asarray(b_lat_lng, np.float64))
    sine_half_lat = np.sin((b[..., 0] - a[..., 0]) / 2)
    sine_half_lng = np.sin((b[..., 1] - a[..., 1]) / 2)
    chord = sine_half_lat**2 + np.cos(a[..., 0]) * np.cos(b[..., 0]) * sine_half_lng**2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0))))


def unit_vectors(lat_lng: npt.ArrayLike) -> Floats:
    """Return unit vectors (..., 3) of (..., 2) coordinates: x to (0, 0), y to (0, 90), z to the north pole."""
    lat, lng = np.moveaxis(np.radians(np.asarray(lat_lng, np.float64)), -1, 0)
    return np.stack([np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)], axis=-1)


def lat_lng_of(vectors: npt.ArrayLike) -> Floats:
    """Return coordinates (..., 2) in degrees of vectors (..., 3) of any positive length."""
    x, y, z = np.moveaxis(np.asarray(vectors, np.float64), -1, 0)
    lat = np.degrees(np.arctan2(z, np.hypot(x, y)))
    return np.stack([lat, wrap_lng(np.degrees(np.arctan2(y, x)))], axis=-1)


def wrap_lng(lng: npt.ArrayLike) -> Floats:
    """Return longitudes brought into [-180, 180)."""
    return np.asarray((np.asarray(lng, np.float64) + 180.0) % 360.0 - 180.0)


def spherical_mean(lat_lng: npt.ArrayLike) -> Floats:
    """Return the (2,) mean direction of (N, 2) coordinates, safe across the antimeridian and at the poles.

    Raises ValueError where there is no mean direction: no points, or points that cancel out.
    """
    points = np.asarray(lat_lng, np.float64).reshape(-1, 2)
    total = unit_vectors(points).sum(axis=0)
    if np.linalg.norm(total) < 1e-9 * max(len(points), 1):
        raise ValueError(f"{len(points)} points have no mean direction on the sphere")
    return lat_lng_of(total)


def destination(lat_lng: npt.ArrayLike, bearing_deg: npt.ArrayLike, distance_km: npt.ArrayLike) -> Floats:
    """Return the coordinates (..., 2) reached from (..., 2) along a great circle; bearing clockwise from north."""
    lat, lng = np.moveaxis(np.radians(np.asarray(lat_lng, np.float64)), -1, 0)
    bearing = np.radians(np.asarray(bearing_deg, np.float64))
    angle = np.asarray(distance_km, np.float64) / EARTH_RADIUS_KM
    sine_lat = np.sin(lat) * np.cos(angle) + np.cos(lat) * np.sin(angle) * np.cos(bearing)
    east = np.sin(bearing) * np.sin(angle) * np.cos(lat)
    turned = lng + np.arctan2(east, np.cos(angle) - np.sin(lat) * sine_lat)
    lat_out = np.degrees(np.arcsin(np.clip(sine_lat, -1.0, 1.0)))
    return np.stack([lat_out, wrap_lng(np.degrees(turned))], axis=-1)
