"""What an answer is made of: coordinates, places, candidates, the estimate. Pure values, no behaviour but JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class LatLng(NamedTuple):
    """WGS84 coordinates in decimal degrees, latitude first."""

    lat: float
    lng: float

    def __str__(self) -> str:
        north_south = "S" if self.lat < 0 else "N"
        east_west = "W" if self.lng < 0 else "E"
        return f"{abs(self.lat):.4f}{north_south} {abs(self.lng):.4f}{east_west}"


@dataclass(frozen=True)
class Place:
    """Names of where a geocell lies; an empty string where the bundle has no name."""

    country_code: str
    country: str
    admin1: str

    def __str__(self) -> str:
        return ", ".join(name for name in (self.admin1, self.country) if name)


@dataclass(frozen=True)
class Levels:
    """Posterior probability (0..1) of the answer's country, first-level region and geocell."""

    country: float
    admin1: float
    cell: float


@dataclass(frozen=True)
class Candidate:
    """One geocell's answer: its best point, its probability (0..1) after refinement."""

    lat_lng: LatLng
    probability: float
    cell: int
    place: Place


@dataclass(frozen=True)
class Refinement:
    """What retrieval did: ``moved_km`` from the geocell's centroid; ``photograph`` is the gallery row it moved to.

    ``photograph`` is None where the centroid was kept, because the cell has no photographs or the move was too far.
    """

    moved_km: float
    photograph: int | None


@dataclass(frozen=True)
class Estimate:
    """Where a photograph was taken: the truth lies within ``radius_km`` with probability ``radius_coverage``."""

    lat_lng: LatLng
    radius_km: float
    radius_coverage: float
    place: Place
    levels: Levels
    candidates: tuple[Candidate, ...]
    refinement: Refinement

    def to_json(self) -> dict[str, Any]:
        """Return the fields of an event that describe the answer (``event.py`` has the format)."""
        return {
            "location": {
                **_point(self.lat_lng),
                "datum": "WGS84",
                "radius_m": round(self.radius_km * 1000),
                "radius_coverage": self.radius_coverage,
            },
            "place": _names(self.place),
            "levels": {level: round(value, 4) for level, value in vars(self.levels).items()},
            "candidates": [
                {**_point(c.lat_lng), "probability": round(c.probability, 4), "cell": c.cell, "place": _names(c.place)}
                for c in self.candidates
            ],
            "refinement": {
                "applied": self.refinement.photograph is not None,
                "moved_m": round(self.refinement.moved_km * 1000),
                "photograph": self.refinement.photograph,
            },
        }


def _point(lat_lng: LatLng) -> dict[str, float]:
    return {"lat": round(lat_lng.lat, 6), "lon": round(lat_lng.lng, 6)}


def _names(place: Place) -> dict[str, str]:
    return {"country_code": place.country_code, "country": place.country, "admin1": place.admin1}
