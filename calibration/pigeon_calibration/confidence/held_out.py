"""PURE: which photographs confidence is fitted on, and which others judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.photo_manifest import PhotoRow, Split, lat_lng_of_rows

FEWEST_PLACES = 20
"""With fewer, the conformal rank of 90 % is that of the largest error, or none at all."""

ONE_PLACE_KM = 1.0


@dataclass(frozen=True)
class HeldOut:
    """Photographs to ``fit`` on, and photographs of other places to ``check``; ``checked_on`` names these."""

    fit: tuple[PhotoRow, ...]
    check: tuple[PhotoRow, ...]
    checked_on: str


def held_out(rows: Sequence[PhotoRow]) -> HeldOut:
    """Return the validation and the test split of a manifest; where it has no test split, two halves of validation.

    Raises InputError where the validation split is too small for that, or of one place.
    """
    validation = tuple(row for row in rows if row.split is Split.VALIDATION)
    test = tuple(row for row in rows if row.split is Split.TEST)
    if not validation:
        raise InputError(
            f"confidence is fitted on the validation split, of which the manifest's {len(rows)} photographs have none; "
            "add places (a twentieth of them is validation, by a hash of place_id)"
        )
    check_places(validation)
    if test:
        return HeldOut(validation, test, "test split")
    halves = [tuple(row for row in validation if _half(row) == half) for half in (0, 1)]
    check_places(halves[0])
    return HeldOut(halves[0], halves[1], "other half of the validation split")


def check_places(rows: Sequence[PhotoRow]) -> None:
    """Raise InputError where photographs are of too few places to promise anything about others."""
    lat_lng, places = lat_lng_of_rows(rows), len({row.place_id for row in rows})
    if places < FEWEST_PLACES:
        raise InputError(
            f"confidence needs held-out photographs of at least {FEWEST_PLACES} places, found {len(rows)} of {places}; "
            "add places"
        )
    if haversine_km(lat_lng[0], lat_lng).max() < ONE_PLACE_KM:
        raise InputError(
            f"confidence needs held-out photographs of many places, found {len(rows)} all within {ONE_PLACE_KM:g} km "
            f"of {rows[0].lat:g}, {rows[0].lng:g}; add others, or check the manifest's lat and lng"
        )


def _half(row: PhotoRow) -> int:
    """Return 0 or 1, by a stable hash of the place: bytes that do not decide the split."""
    return hashlib.sha256((row.split_group or row.place_id).encode()).digest()[4] % 2
