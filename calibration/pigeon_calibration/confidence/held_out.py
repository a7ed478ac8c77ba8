"""PURE: which photographs confidence is fitted on, and which others judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pigeon_edge.answer.confidence import FEWEST_PLACES
from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.manifest import PhotoRow, Split, lat_lng_of_rows

ONE_PLACE_KM = 1.0


class Purpose(str, Enum):
    """What photographs are held out for."""

    FIT = "to fit on"
    JUDGE = "to judge by"


@dataclass(frozen=True)
class HeldOut:
    """Photographs to ``fit`` on, and photographs of other places to ``check``; ``checked_on`` names these."""

    fit: tuple[PhotoRow, ...]
    check: tuple[PhotoRow, ...]
    checked_on: str


def held_out(rows: Sequence[PhotoRow]) -> HeldOut:
    """Return the validation and the test split of a manifest; where it has no test split, two halves of validation.

    Raises InputError where either part is of too few places, or of one.
    """
    validation = tuple(row for row in rows if row.split is Split.VALIDATION)
    test = tuple(row for row in rows if row.split is Split.TEST)
    if not validation:
        raise InputError(
            f"confidence is fitted on the validation split, of which the manifest's {len(rows)} photographs have none; "
            "add places (a twentieth of them is validation, by a hash of place_id)"
        )
    parts = HeldOut(validation, test, "test split") if test else _halves(validation)
    check_places(parts.fit, Purpose.FIT)
    check_places(parts.check, Purpose.JUDGE)
    return parts


def check_places(rows: Sequence[PhotoRow], purpose: Purpose, left_out: Sequence[str] = ()) -> None:
    """Raise InputError where photographs are of too few places to promise, or to say, anything about others.

    ``left_out`` are the reasons why others of the same part cannot be read.
    """
    needs = f"confidence needs held-out photographs {purpose.value}"
    mend = f", or mend the {len(left_out)} that cannot be read, such as {left_out[0]}" if left_out else ""
    lat_lng, places = lat_lng_of_rows(rows), len({row.place_id for row in rows})
    if places < FEWEST_PLACES:
        raise InputError(
            f"{needs}, of at least {FEWEST_PLACES} places, found {len(rows)} of {places}; add places (a twentieth of "
            f"them is validation, three twentieths are test, by a hash of place_id){mend}"
        )
    if haversine_km(lat_lng[0], lat_lng).max() < ONE_PLACE_KM:
        raise InputError(
            f"{needs}, of many places, found {len(rows)} all within {ONE_PLACE_KM:g} km "
            f"of {rows[0].lat:g}, {rows[0].lng:g}; add others, or check the manifest's lat and lng{mend}"
        )


def _halves(validation: Sequence[PhotoRow]) -> HeldOut:
    fit, check = (tuple(row for row in validation if _half(row) == half) for half in (0, 1))
    return HeldOut(fit, check, "other half of the validation split")


def _half(row: PhotoRow) -> int:
    """Return 0 or 1, by a stable hash of the place: bytes that do not decide the split."""
    return hashlib.sha256((row.split_group or row.place_id).encode()).digest()[4] % 2
