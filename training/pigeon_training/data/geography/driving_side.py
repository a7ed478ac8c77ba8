"""On which side of the road a country drives."""

from __future__ import annotations

from pigeon_training.data.geography.iso3166 import ALPHA2, alpha2

_LEFT_CODES = """
AG AI AU BB BD BM BN BS BT BW CC CK CX CY DM FJ FK GB GD GG GS GY HK ID IE IM IN JE JM JP KE KI KN KY LC LK LS MO MS MT
MU MV MW MY MZ NA NF NP NR NU NZ PG PK PN SB SC SG SH SR SZ TC TH TK TL TO TT TV TZ UG VC VG VI WS ZA ZM ZW
"""
"""Countries and territories of left-hand traffic in 2024, by their road codes; Samoa since 2009."""

_LEFT = frozenset(_LEFT_CODES.split())

_NO_ROADS = frozenset({"AQ", "BV", "HM", "TF", "UM", "IO"})
"""Without public roads, or with a base's own rule."""


def driving_side(country_code: str) -> str:
    """Return ``left`` or ``right``; empty for a code that is no country's, or a place without public roads."""
    code = alpha2(country_code)
    if code not in ALPHA2 or code in _NO_ROADS:
        return ""
    return "left" if code in _LEFT else "right"
