"""The machine's sensors over a run: the lowest and the highest reading of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pigeon_edge.system.files import FILE_SYSTEM
from pigeon_edge.system.sensors import cpu_mhz, gpu_load, temperatures_c


class Extremes(NamedTuple):
    """The least and the most of a quantity over a run."""

    least: float
    most: float


class Watch:
    """Extremes by sensor: temperatures in degrees Celsius, processor clocks in MHz, GPU load 0..1."""

    def __init__(self, root: Path = FILE_SYSTEM) -> None:
        self._root = root
        self.temperature_c: dict[str, Extremes] = {}
        self.cpu_mhz: dict[str, Extremes] = {}
        self.gpu_load: dict[str, Extremes] = {}

    def look(self) -> None:
        """Read all sensors once."""
        widen(self.temperature_c, temperatures_c(self._root))
        clocks = cpu_mhz(self._root).values()
        widen(self.cpu_mhz, {"slowest core": min(clocks), "fastest core": max(clocks)} if clocks else {})
        widen(self.gpu_load, gpu_load(self._root))


def widen(extremes: dict[str, Extremes], told: Mapping[str, float]) -> None:
    """Let each quantity that was told count among its extremes."""
    for name, value in told.items():
        least, most = extremes.get(name, (value, value))
        extremes[name] = Extremes(min(least, value), max(most, value))
