"""A manifest with what geography says of every row.

The columns that this stage fills, all of them optional:

- ``country_code, country, admin1, admin2``: of the finest region that holds the point, then of coarser ones;
- ``driving_side``: left or right, by country code;
- ``climate``: Koeppen-Geiger class such as Cfb;
- ``elevation_m``: metres above the sea;
- ``population``: in the raster's own unit (people per square km for GHS-POP at 1 km; webgl-globe's is relative);
- ``temperature_c, temperature_range_c``: mean of the months, and warmest less coldest month, in degrees Celsius;
- ``precipitation_mm, precipitation_range_mm``: mean of the months, and wettest less driest, in millimetres a month.

A value that no source has stays as the manifest states it, or empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import Floats
from pigeon_training.data.geography.boundaries import REACH_KM, Boundaries, read_boundaries
from pigeon_training.data.geography.climate import climate_codes
from pigeon_training.data.geography.driving_side import driving_side
from pigeon_training.data.geography.iso3166 import stated
from pigeon_training.data.geography.rasters import Months, Raster, read_months, read_raster
from pigeon_training.data.geography.region_names import RegionName
from pigeon_training.data.manifests.table import (
    lat_lng_of,
    moved_paths,
    read_table,
    texts_of,
    with_columns,
    write_table,
)

Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Geography:
    """Sources to look up. Elevations and the like are optional: a source that is None fills no column."""

    boundaries: Sequence[Boundaries] = field(default_factory=tuple)
    climate: Raster | None = None
    elevation: Raster | None = None
    population: Raster | None = None
    temperature: Months | None = None
    precipitation: Months | None = None


def open_geography(
    boundaries: Sequence[str],
    climate: Path | None,
    elevation: Path | None,
    population: Path | None,
    temperature: Path | None,
    precipitation: Path | None,
) -> Geography:
    """Open sources by path. Raises InputError where one cannot be read, UsageError where there is none."""
    if not boundaries and not any((climate, elevation, population, temperature, precipitation)):
        raise UsageError("expected --boundaries or a raster, found none: there is nothing to look up")
    return Geography(
        boundaries=[read_boundaries(name) for name in boundaries],
        climate=read_raster(climate) if climate else None,
        elevation=read_raster(elevation) if elevation else None,
        population=read_raster(population) if population else None,
        temperature=read_months(temperature) if temperature else None,
        precipitation=read_months(precipitation) if precipitation else None,
    )


def augment_manifest(manifest: Path, geography: Geography, out: Path) -> dict[str, int]:
    """Write a manifest with geography's columns; return how many rows each of them has a value for."""
    table = read_table(manifest)
    columns = {
        name: [new or old for new, old in zip(values, texts_of(table, name), strict=True)]
        for name, values in columns_of(geography, lat_lng_of(table)).items()
    }
    write_table(out, with_columns(moved_paths(table, manifest.parent, out.parent), columns))
    return {name: sum(map(bool, values)) for name, values in columns.items()}


def columns_of(geography: Geography, lat_lng: Floats) -> dict[str, list[str]]:
    """Return the columns (N,) that the sources fill for coordinates (N, 2)."""
    columns: dict[str, list[str]] = {}
    if geography.boundaries:
        columns |= names_at(geography.boundaries, lat_lng)
        columns["driving_side"] = [driving_side(code) for code in columns["country_code"]]
    if geography.climate:
        columns["climate"] = climate_codes(geography.climate.at(lat_lng))
    for name, raster, digits in (("elevation_m", geography.elevation, 1), ("population", geography.population, 4)):
        if raster:
            columns[name] = _texts(raster.at(lat_lng), digits)
    for name, unit, months in (
        ("temperature", "c", geography.temperature),
        ("precipitation", "mm", geography.precipitation),
    ):
        if months:
            mean, spread = months.mean_and_range_at(lat_lng)
            columns[f"{name}_{unit}"], columns[f"{name}_range_{unit}"] = _texts(mean, 2), _texts(spread, 2)
    return columns


def names_at(sources: Sequence[Boundaries], lat_lng: Floats) -> dict[str, list[str]]:
    """Return ``country_code, country, admin1, admin2`` (N,) of coordinates, by files of any levels in any order.

    Being inside counts before being near, and a finer file before a coarser one; a file whose country differs from the
    one found already adds nothing, so that a row never names a region of another country. A region whose file names no
    country is of the one that holds its largest part. Codes are ISO 3166-1's, user-assigned, or empty.
    """
    sources = [
        _with_countries(source, [other for other in sources if other.level < source.level]) for source in sources
    ]
    columns = RegionName._fields
    found = np.full((len(columns), len(lat_lng)), "", object)
    finest_first = sorted(sources, key=lambda source: -source.level)
    for reach_km in (0.0, REACH_KM):
        for source in finest_first:
            needed = np.flatnonzero(found[columns.index("country_code") + source.level + (source.level > 0)] == "")
            names = np.array([*source.names, RegionName()], object).T.reshape(len(columns), -1)
            theirs = names[:, source.region_of(lat_lng[needed], reach_km)]
            agree = (found[0, needed] == theirs[0]) | (found[0, needed] == "") | (theirs[0] == "")
            blank = found[:, needed] == ""
            found[:, needed] = np.where(blank & agree, theirs, found[:, needed])
    _name_countries(found, sources)
    found[0] = [stated(code) for code in found[0]]
    return {name: list(found[number]) for number, name in enumerate(columns)}


def _with_countries(source: Boundaries, coarser: Sequence[Boundaries]) -> Boundaries:
    """Return boundaries whose regions without a country have that of a point in their largest part."""
    nameless = np.flatnonzero([not (name.country_code or name.country) for name in source.names])
    if not len(nameless) or not coarser:
        return source
    inside = names_at(coarser, source.inner_lat_lng(nameless))
    names = list(source.names)
    for row, number in enumerate(nameless):
        names[number] = names[number]._replace(country_code=inside["country_code"][row], country=inside["country"][row])
    return Boundaries(tuple(names), source.shapes)


def _name_countries(found: npt.NDArray[np.object_], sources: Sequence[Boundaries]) -> None:
    """Fill the country's name of a known code: one code, one name, the coarsest file's."""
    known: dict[str, str] = {}
    for source in sorted(sources, key=lambda source: source.level):
        for name in source.names:
            if name.country_code and name.country:
                known.setdefault(name.country_code, name.country)
    found[1] = [known.get(code, name) for code, name in zip(found[0], found[1], strict=True)]


def _texts(values: Floats, digits: int) -> list[str]:
    return ["" if np.isnan(value) else f"{value:.{digits}f}" for value in values]
