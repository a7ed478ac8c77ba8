"""How the publishers of boundaries name a region: from columns of their files to the names of this project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pigeon_training.data.geography.iso3166 import ALPHA2, alpha2


class RegionName(NamedTuple):
    """Names of a region; empty where a file does not state one. Codes are ISO 3166-1 alpha-2 where they are known."""

    country_code: str = ""
    country: str = ""
    admin1: str = ""
    admin2: str = ""


@dataclass(frozen=True)
class Layout:
    """Which columns (lower case, the first that says something) hold which name; ``needs`` tells the layout apart."""

    publisher: str
    needs: frozenset[str]
    country_code: tuple[str, ...]
    country: tuple[str, ...]
    admin1: tuple[str, ...] = ()
    admin2: tuple[str, ...] = ()


_NATURAL_EARTH_CODES = ("iso_a2", "iso_a2_eh", "iso_a3", "adm0_a3", "gu_a3", "sov_a3")

LAYOUTS = (
    # This project's own names.
    Layout("pigeon-edge", frozenset({"country_code"}), ("country_code",), ("country",), ("admin1",), ("admin2",)),
    # gadm.org/metadata.html: GID_0 is ISO 3166-1 alpha-3 where there is one; COUNTRY replaces NAME_0 in version 4.1.
    Layout("GADM", frozenset({"gid_0"}), ("gid_0",), ("name_0", "country"), ("name_1",), ("name_2",)),
    # Natural Earth admin_1_states_provinces; the country has its name in `admin`.
    Layout("Natural Earth", frozenset({"adm1_code"}), _NATURAL_EARTH_CODES, ("admin",), ("name", "name_en", "gn_name")),
    # Natural Earth admin_0_countries; ISO_A2 is -99 where Natural Earth and ISO disagree (France, Norway, Kosovo).
    Layout("Natural Earth", frozenset({"adm0_a3"}), _NATURAL_EARTH_CODES, ("admin", "name")),
    # This project's own names again, where countries have no code.
    Layout("pigeon-edge", frozenset({"country"}), (), ("country",), ("admin1",), ("admin2",)),
)
"""Layouts that columns tell apart; geoBoundaries states its level in every row, see ``_of_geoboundaries``."""

_NOTHING = frozenset({"", "-1", "-99", "-099", "none", "nan", "null"})


def region_names(rows: Sequence[Mapping[str, object]]) -> list[RegionName] | None:
    """Return the names of a file's rows, by columns in lower case; None where they are no known publisher's."""
    columns = frozenset(rows[0]) if rows else frozenset()
    if {"shapegroup", "shapename", "shapetype"} <= columns:
        names = [_of_geoboundaries(row) for row in rows]
    else:
        layout = next((layout for layout in LAYOUTS if layout.needs <= columns), None)
        if layout is None:
            return None
        names = [_of_layout(layout, row) for row in rows]
    return _with_country_names(names)


def _of_layout(layout: Layout, row: Mapping[str, object]) -> RegionName:
    codes = [alpha2(code) for column in layout.country_code if (code := _text(row.get(column)))]
    known = next((code for code in codes if code in ALPHA2), codes[0] if codes else "")
    rest = (_first(row, columns) for columns in (layout.country, layout.admin1, layout.admin2))
    return RegionName(known, *rest)


def _of_geoboundaries(row: Mapping[str, object]) -> RegionName:
    """GeoBoundaries CGAZ 6: shapeGroup is the country's alpha-3 code, shapeName a name at the level shapeType."""
    code, name = alpha2(_text(row["shapegroup"])), _text(row["shapename"])
    level = _text(row["shapetype"]).upper()
    return RegionName(code, *(name if level == f"ADM{number}" else "" for number in range(3)))


def _with_country_names(names: Sequence[RegionName]) -> list[RegionName]:
    """Give a row without a country's name the one that other rows of its code state first."""
    known: dict[str, str] = {}
    for name in names:
        if name.country_code and name.country:
            known.setdefault(name.country_code, name.country)
    return [name if name.country else name._replace(country=known.get(name.country_code, "")) for name in names]


def _first(row: Mapping[str, object], columns: Sequence[str]) -> str:
    return next((text for column in columns if (text := _text(row.get(column)))), "")


def _text(value: object) -> str:
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in _NOTHING else text
