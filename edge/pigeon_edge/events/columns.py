"""The columns of an event: CSV, GeoJSON and whatever else is flat takes them from here, and from nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pigeon_edge.events.event import Event


@dataclass(frozen=True)
class Column:
    """A column, and where in an event its value is: keys, the outermost first."""

    name: str
    path: tuple[str, ...]

    def value(self, event: Event) -> Any:
        """Return the value, None where the event has none."""
        found: Any = event
        for key in self.path:
            found = found.get(key) if isinstance(found, dict) else None
        return found


def _under(key: str, *names: str, prefix: str = "") -> tuple[Column, ...]:
    return tuple(Column(f"{prefix}{name}", (key, name)) for name in names)


def _classes(*names: str) -> tuple[Column, ...]:
    return tuple(
        column
        for name in names
        for column in (
            Column(name, ("environment", name, "value")),
            Column(f"{name}_probability", ("environment", name, "probability")),
        )
    )


COLUMNS = (
    Column("source_id", ("source_id",)),
    Column("status", ("status",)),
    *_under("location", "lat", "lon", "radius_m", "radius_coverage"),
    *_under("place", "country_code", "country", "admin1"),
    Column("cell_probability", ("levels", "cell")),
    *_under("gps", "lat", "lon", "distance_m", prefix="gps_"),
    Column("error", ("error",)),
    Column("bundle", ("model", "bundle")),
    *_under(
        "environment", "elevation_m", "population_per_km2", "temperature_c", "temperature_range_c", "precipitation_mm",
        "precipitation_range_mm",
    ),
    *_classes("climate", "month", "season"),
    *_under("location", "radius_50_m", "within_m"),
    *_under("gps", "source", prefix="gps_"),
    Column("gps_problem", ("gps_problem",)),
    Column("note", ("note",)),
    *_under("frame", "index", "pts_s", prefix="frame_"),
)  # fmt: skip
"""In the order of a CSV file. New ones go to the end, where readers by position do not mind."""


def flat(event: Event) -> dict[str, Any]:
    """Return the columns of an event that have a value."""
    values = {column.name: column.value(event) for column in COLUMNS}
    return {name: value for name, value in values.items() if value is not None}
