"""What an event says of the surroundings, in words. Pure."""

from __future__ import annotations

from calendar import month_name
from collections.abc import Mapping
from typing import Any

from pigeon_edge.answer.climates import CLIMATE_LABELS

Told = Mapping[str, Any]


def surroundings_lines(told: Told) -> list[str]:
    """Return an event's ``environment`` as at most two lines: land and weather, then climate and time of the year.

    "Between months" is the warmest less the coldest month, or the wettest less the driest.
    """
    land = [_height(told), _people(told), _temperature(told), _rain(told)]
    classes = [_climate(told), _time(told)]
    lines = ("; ".join(part for part in parts if part) for parts in (land, classes))
    return [f"estimated: {line}" for line in lines if line]


def _height(told: Told) -> str:
    if "elevation_m" not in told:
        return ""
    side = "below" if told["elevation_m"] < 0 else "above"
    return f"about {_rounded(abs(told['elevation_m']))} m {side} the sea"


def _people(told: Told) -> str:
    return f"{_rounded(told['population_per_km2'])} people/km2" if "population_per_km2" in told else ""


def _temperature(told: Told) -> str:
    degrees = [f"{round(told['temperature_c'])} C"] if "temperature_c" in told else []
    if "temperature_range_c" in told:
        degrees.append(f"{round(told['temperature_range_c'])} C between months")
    return ", ".join(degrees)


def _rain(told: Told) -> str:
    depths = [f"{_rounded(told['precipitation_mm'])} mm of rain a month"] if "precipitation_mm" in told else []
    if "precipitation_range_mm" in told:
        depths.append(f"{_rounded(told['precipitation_range_mm'])} mm between months")
    return ", ".join(depths)


def _climate(told: Told) -> str:
    if "climate" not in told:
        return ""
    code = told["climate"]["value"]
    label = CLIMATE_LABELS.get(code)
    return f"climate {code}{f', {label}' if label else ''} ({_chance(told['climate'])})"


def _time(told: Told) -> str:
    parts = [f"{told['season']['value']} ({_chance(told['season'])})"] if "season" in told else []
    if "month" in told:
        parts.append(f"{month_name[told['month']['value']]} ({_chance(told['month'])})")
    return ", ".join(parts)


def _rounded(value: float) -> str:
    """Return a number to two significant digits, without a fraction."""
    return f"{round(float(f'{value:.2g}')):,}"


def _chance(guess: Told) -> str:
    return "over 99%" if guess["probability"] > 0.99 else f"{guess['probability']:.0%}"
