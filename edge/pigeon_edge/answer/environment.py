"""What a photograph tells of its surroundings: elevation, population, temperature, rain, climate, month and season.

An encoder graph may have further outputs (``encoders.protocol.TASK_OUTPUTS``), one for each head that was trained. How
to read them is in ``environment.json`` of the bundle, which carries the graph's own metadata on:

    quantities  [[name, offset], ...] of the columns of ``regressions`` (N, R); names are those of ``LIMITS``. A column
                holds log(x + offset), or x itself where the offset is null. A quantity that no training photograph knew
                is not there.
    climates    codes of the columns of ``climate_logits`` (N, K); empty where there is no such output
    months      whether there is an output ``month_logits`` (N, 12), January first
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.cells import posterior
from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.answer.estimate import Environment, Guess
from pigeon_edge.errors import BundleError, UsageError
from pigeon_edge.settings import read_settings

Doubles = npt.NDArray[np.float64]

GRAPH_METADATA_KEY = "pigeon_edge.environment"
"""Under this key an ONNX graph with task outputs carries its settings as JSON."""

LIMITS = {
    "elevation_m": (-450.0, 9000.0),
    "population_per_km2": (0.0, 200_000.0),
    "temperature_c": (-60.0, 40.0),
    "temperature_range_c": (0.0, 70.0),
    "precipitation_mm": (0.0, 1000.0),
    "precipitation_range_mm": (0.0, 4000.0),
}
"""What there is on land, in round numbers: a head that goes beyond is held at the limit."""

SEASONS = ("winter", "spring", "summer", "autumn")
"""Of the north, from December on, three months each; in the south half a year later."""

TROPIC_DEG = 23.44
"""Nearer to the equator than this, a month is of no season."""


class Quantity(NamedTuple):
    """A column of ``regressions``: a key of ``LIMITS``, and the offset of its logarithm, None where it has none."""

    name: str
    offset: float | None

    def in_units(self, value: float) -> float:
        """Return what the column's value means, within ``LIMITS``."""
        if self.offset is not None:
            value = math.exp(min(value, 100.0)) - self.offset
        low, high = LIMITS[self.name]
        return min(max(value, low), high)


@dataclass(frozen=True)
class EnvironmentSettings:
    """How to read the task outputs of a graph; the module's text has the fields."""

    quantities: tuple[Quantity, ...]
    climates: tuple[str, ...]
    months: bool

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be meant."""
        names = [quantity.name for quantity in self.quantities]
        if not set(names) <= set(LIMITS) or len(set(names)) < len(names) or not any(self.widths.values()):
            raise UsageError(f"an environment has quantities of {', '.join(LIMITS)}, climates or months, found {self}")

    @property
    def widths(self) -> dict[str, int]:
        """The columns of each output that the graph must have."""
        widths = {"regressions": len(self.quantities), "climate_logits": len(self.climates)}
        return {name: width for name, width in {**widths, "month_logits": 12 * self.months}.items() if width}

    @property
    def told(self) -> tuple[str, ...]:
        """What is told, in the order in which it is."""
        classes = {"climate": bool(self.climates), "month": self.months, "season": self.months}
        return (*(quantity.name for quantity in self.quantities), *(name for name, has in classes.items() if has))

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> EnvironmentSettings:
        """Read what ``to_json`` wrote. Raises UsageError, TypeError, ValueError or KeyError where it is malformed."""
        quantities = tuple(Quantity(str(name), _offset(offset)) for name, offset in document["quantities"])
        return read_settings(cls, {**document, "quantities": quantities, "climates": tuple(document["climates"])})


def settings_of_graph(metadata: Mapping[str, str]) -> EnvironmentSettings | None:
    """Read the metadata of an ONNX graph, None where it has no task outputs. Raises UsageError where malformed."""
    if GRAPH_METADATA_KEY not in metadata:
        return None
    try:
        return EnvironmentSettings.from_json(json.loads(metadata[GRAPH_METADATA_KEY]))
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(f"expected the graph's own note of its task outputs, {error!r}; export it again") from error


def read_environment(path: Path) -> EnvironmentSettings:
    """Read the settings of task outputs. Raises BundleError where they are malformed."""
    try:
        return EnvironmentSettings.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, UsageError) as error:
        raise BundleError(f"{path}: expected how task outputs are read, {error}; pack the bundle again") from error


def check_outputs(settings: EnvironmentSettings, encoding: Encoding) -> None:
    """Raise BundleError where an encoding lacks an output that the settings tell of, or has one of another width."""
    found = {name: values.shape[1] for name, values in encoding.tasks.items()}
    if not settings.widths.items() <= found.items():
        raise BundleError(
            f"expected the encoder's outputs to be those of environment.json, {settings.widths}, found {found}; "
            "export the graph and pack the bundle again"
        )


def environments(settings: EnvironmentSettings, encoding: Encoding, lat: Sequence[float]) -> list[Environment]:
    """Return what N photographs, located at latitudes (N,) in degrees, tell of their surroundings.

    Raises BundleError where the encoding is not as the settings say.
    """
    check_outputs(settings, encoding)
    count = len(lat)
    values = encoding.tasks["regressions"] if settings.quantities else np.empty((count, 0), np.float32)
    climates = _guesses(settings.climates, encoding.tasks["climate_logits"]) if settings.climates else [None] * count
    months = _chances(encoding.tasks["month_logits"]) if settings.months else [None] * count
    rows = zip(values.tolist(), climates, months, lat, strict=True)
    return [_environment(settings.quantities, *row) for row in rows]


def _environment(
    quantities: Sequence[Quantity], values: Sequence[float], climate: Guess | None, months: Doubles | None, lat: float
) -> Environment:
    found = {quantity.name: quantity.in_units(value) for quantity, value in zip(quantities, values, strict=True)}
    return Environment(
        elevation_m=found.get("elevation_m"),
        population_per_km2=found.get("population_per_km2"),
        temperature_c=found.get("temperature_c"),
        temperature_range_c=found.get("temperature_range_c"),
        precipitation_mm=found.get("precipitation_mm"),
        precipitation_range_mm=found.get("precipitation_range_mm"),
        climate=climate,
        month=None if months is None else _likeliest(range(1, 13), months),
        season=None if months is None else season_of_months(months, lat),
    )


def season_of_months(months: Doubles, lat: float) -> Guess | None:
    """Return the likeliest season of the probabilities of months (12,) at a latitude in degrees; None in the tropics.

    Seasons are those of meteorology: December to February is the north's winter and the south's summer.
    """
    if abs(lat) < TROPIC_DEG:
        return None
    quarters = np.roll(months, 1).reshape(4, 3).sum(axis=1)  # (12,) December first, to (4,)
    names = SEASONS if lat > 0 else (*SEASONS[2:], *SEASONS[:2])
    return _likeliest(names, quarters)


def _guesses(names: Sequence[str], logits: npt.NDArray[np.float32]) -> list[Guess]:
    return [_likeliest(names, chances) for chances in _chances(logits)]


def _chances(logits: npt.NDArray[np.float32]) -> Doubles:
    return posterior(logits, temperature=1.0)


def _likeliest(names: Sequence[str | int], chances: Doubles) -> Guess:
    best = int(chances.argmax())
    return Guess(names[best], float(chances[best]))


def _offset(value: Any) -> float | None:
    return None if value is None else float(value)
