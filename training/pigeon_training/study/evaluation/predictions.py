"""What a locator answered for photographs whose place is known: arrays, whoever made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.estimate import Place
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.manifest import PhotoRow, lat_lng_of_rows

Doubles: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Texts: TypeAlias = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of N photographs, the answers and what is known of the truth; whatever nobody knows is None.

    ``lat_lng`` and ``truth_lat_lng`` (N, 2) in degrees. Texts (N,) are empty where a single one is unknown:
    ``path``, ``place_id``, ``country`` as answered and ``true_country``. Numbers (N,): ``cell_rank`` cells were
    thought more probable than the true one; the less the radius or the entropy, the surer the answer; ``within_km`` is
    the distance that an answer claims, infinite where it claims none; ``population`` in people per square kilometre,
    NaN where it is unknown. ``centroid_lat_lng`` (N, 2) is the answer of the classifier
    alone.
    """

    lat_lng: Doubles
    truth_lat_lng: Doubles
    path: Texts | None = None
    place_id: Texts | None = None
    country: Texts | None = None
    true_country: Texts | None = None
    cell_rank: Ints | None = None
    radius_km: Doubles | None = None
    radius_50_km: Doubles | None = None
    within_km: Doubles | None = None
    entropy_nats: Doubles | None = None
    population: Doubles | None = None
    centroid_lat_lng: Doubles | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where an array is of another length than the truth."""
        for column in fields(self):
            values = getattr(self, column.name)
            if values is not None and len(values) != len(self.truth_lat_lng):
                raise ValueError(f"{column.name}: {len(values)} values for {len(self.truth_lat_lng)} photographs")

    def __len__(self) -> int:
        return len(self.truth_lat_lng)

    @cached_property
    def error_km(self) -> Doubles:
        """(N,) great-circle distances from truth to answer."""
        return haversine_km(self.lat_lng, self.truth_lat_lng)

    @cached_property
    def centroid_error_km(self) -> Doubles | None:
        """(N,) the errors of the classifier alone, None where they are unknown."""
        return None if self.centroid_lat_lng is None else haversine_km(self.centroid_lat_lng, self.truth_lat_lng)

    @cached_property
    def place_number(self) -> Ints:
        """(N,) equal for photographs of one place; each is a place of its own where places are unknown."""
        if self.place_id is None:
            return np.arange(len(self))
        return np.unique(self.place_id, return_inverse=True)[1].astype(np.int64)

    @property
    def uncertainty(self) -> Doubles | None:
        """(N,) the radius, else the entropy, else None: the more, the less sure."""
        return self.entropy_nats if self.radius_km is None else self.radius_km

    def of(self, chosen: npt.NDArray[Any]) -> Predictions:
        """Return the predictions of some photographs, by number or by mask."""
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        some: dict[str, Any] = {name: None if it is None else it[chosen] for name, it in columns.items()}
        return Predictions(**some)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Return the predictions of one part after another; what one part does not know is unknown."""
    whole: dict[str, Any] = {}
    for column in fields(Predictions):
        values = [getattr(part, column.name) for part in parts]
        whole[column.name] = None if any(value is None for value in values) else np.concatenate(values)
    return Predictions(**whole)


def known_of_rows(rows: Sequence[PhotoRow]) -> dict[str, Any]:
    """Return what rows of a manifest say about their photographs, as fields of ``Predictions``."""
    return {
        "truth_lat_lng": lat_lng_of_rows(rows),
        "path": np.array([str(row.path) for row in rows], np.str_),
        "place_id": np.array([row.place_id for row in rows], np.str_),
        "true_country": countries_of([row.place for row in rows]),
    }


def countries_of(places: Sequence[Place]) -> Texts:
    """Return (N,) country codes, of a place without one the country's name."""
    return np.array([place.country_code or place.country for place in places], np.str_)
