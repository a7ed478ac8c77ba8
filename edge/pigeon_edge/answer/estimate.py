"""What an answer is made of: coordinates, places, candidates, the estimate. Pure values, no behaviour but JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pigeon_edge.geodesy import LatLng


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
    """One geocell's answer: its best point.

    ``probability`` (0..1) is the geocell's own, as in ``Levels.cell``. ``share`` (0..1) is what refinement gives it
    among the candidates, whose shares add up to 1: they are ranked by it, and it is no probability.
    """

    lat_lng: LatLng
    probability: float
    share: float
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
class Guess:
    """The likeliest of some classes, and its probability (0..1) as the head states it, which nothing calibrates."""

    value: str | int
    probability: float


@dataclass(frozen=True)
class Environment:
    """What the surroundings are guessed to be; None is what the bundle does not tell.

    Temperature and rain are means of the twelve months; their ranges are the warmest (wettest) less the coldest
    (driest) month. ``climate`` is a Koeppen-Geiger code, ``month`` 1 to 12, ``season`` that of the estimated place.
    """

    elevation_m: float | None = None
    population_per_km2: float | None = None
    temperature_c: float | None = None
    temperature_range_c: float | None = None
    precipitation_mm: float | None = None
    precipitation_range_mm: float | None = None
    climate: Guess | None = None
    month: Guess | None = None
    season: Guess | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what is told: numbers to a tenth, and classes with their probability."""
        return {name: _told(value) for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Estimate:
    """Where a photograph was taken: the truth lies within ``radius_km`` with probability ``radius_coverage``.

    It lies within ``radius_50_km`` as often as not. ``within_km`` is the nearest distance that the answer may claim,
    None where it may claim none: of those that claim as much, no more are wrong than the risk that the bundle states.
    ``environment`` is None where the bundle tells nothing of the surroundings.
    """

    lat_lng: LatLng
    radius_km: float
    radius_coverage: float
    radius_50_km: float
    within_km: float | None
    place: Place
    levels: Levels
    candidates: tuple[Candidate, ...]
    refinement: Refinement
    environment: Environment | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields of an event that describe the answer (``events/event.py`` has the format)."""
        return {
            "location": {
                **_point(self.lat_lng),
                "datum": "WGS84",
                "radius_m": round(self.radius_km * 1000),
                "radius_coverage": self.radius_coverage,
                "radius_50_m": round(self.radius_50_km * 1000),
                "within_m": None if self.within_km is None else round(self.within_km * 1000),
            },
            "place": _names(self.place),
            "levels": {level: round(value, 4) for level, value in vars(self.levels).items()},
            "candidates": [
                {
                    **_point(c.lat_lng),
                    "probability": round(c.probability, 4),
                    "share": round(c.share, 4),
                    "cell": c.cell,
                    "place": _names(c.place),
                }
                for c in self.candidates
            ],
            "refinement": {
                "applied": self.refinement.photograph is not None,
                "moved_m": round(self.refinement.moved_km * 1000),
                "photograph": self.refinement.photograph,
            },
            **({"environment": self.environment.to_json()} if self.environment else {}),
        }


def _point(lat_lng: LatLng) -> dict[str, float]:
    return {"lat": round(lat_lng.lat, 6), "lon": round(lat_lng.lng, 6)}


def _told(value: float | Guess) -> Any:
    if isinstance(value, Guess):
        return {"value": value.value, "probability": round(value.probability, 4)}
    return round(value, 1)


def _names(place: Place) -> dict[str, str]:
    return {"country_code": place.country_code, "country": place.country, "admin1": place.admin1}
