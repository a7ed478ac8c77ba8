"""A table of places with names and coordinates: what zero-shot search chooses from.

A CSV in UTF-8 with a header and the columns

    name          of the town, as captions say it
    admin1        name of the first-level region; may be empty
    country       name of the country, as captions say it
    country_code  two letters (ISO 3166-1); may be empty
    lat, lng      degrees
    population    inhabitants, used to choose the largest; may be empty (0)

Other columns are ignored. Of rows with the same name, region and country, the most populous stays.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.estimate import Place
from pigeon_edge.errors import InputError


@dataclass(frozen=True)
class Town:
    """One row of a table of places."""

    name: str
    admin1: str
    country: str
    country_code: str
    lat: float
    lng: float
    population: int

    @property
    def place(self) -> Place:
        """The names of its country and region."""
        return Place(self.country_code, self.country, self.admin1)


def lat_lng_of_towns(towns: Sequence[Town]) -> npt.NDArray[np.float64]:
    """Return the coordinates (N, 2) of towns."""
    return np.array([(town.lat, town.lng) for town in towns], np.float64).reshape(-1, 2)


def read_places(path: Path) -> list[Town]:
    """Read a table of places, most populous first. Raises InputError, naming the line, where a row cannot be meant."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            towns = [_town(path, line, record) for line, record in enumerate(csv.DictReader(file), start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a table of places (CSV with name, country, lat, lng), {error}") from error
    if not towns:
        raise InputError(f"{path}: expected a table of places (CSV with name, country, lat, lng), found no rows")
    kept: dict[tuple[str, Place], Town] = {}
    for town in sorted(towns, key=lambda town: -town.population):
        kept.setdefault((town.name, town.place), town)
    return list(kept.values())


def most_populous(towns: Iterable[Town], per_country: int) -> list[Town]:
    """Return at most ``per_country`` towns of each country, the most populous ones, largest first."""
    seen: Counter[str] = Counter()
    kept = []
    for town in sorted(towns, key=lambda town: -town.population):
        seen[town.country] += 1
        if seen[town.country] <= per_country:
            kept.append(town)
    return kept


def _town(path: Path, line: int, record: dict[str, str]) -> Town:
    try:
        town = Town(
            name=record["name"].strip(),
            admin1=(record.get("admin1") or "").strip(),
            country=record["country"].strip(),
            country_code=(record.get("country_code") or "").strip(),
            lat=float(record["lat"]),
            lng=float(record["lng"]),
            population=int(float(record.get("population") or 0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}:{line}: expected name, country, lat and lng, found {record!r}; mend it") from error
    sound = -90 <= town.lat <= 90 and -180 <= town.lng <= 180 and (town.lat, town.lng) != (0.0, 0.0)
    if not (sound and town.name and town.country):
        raise InputError(f"{path}:{line}: {town} is no place that was meant; mend or drop the row")
    return town
