"""Temperatures, clocks and load, as the kernel tells them."""

from __future__ import annotations

from pathlib import Path

from pigeon_edge.system.files import FILE_SYSTEM, number_of, text_of

_INTEGRATED_GPUS = frozenset({"gv11b", "gp10b", "ga10b", "gpu"})
"""Names of Jetson GPUs in the device tree. Thor's has no such entry and tells no load here."""


def temperatures_c(root: Path = FILE_SYSTEM) -> dict[str, float]:
    """Return degrees Celsius by the names of the thermal zones; a zone that does not answer is left out."""
    found: dict[str, float] = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        name, millidegrees = text_of(zone / "type") or zone.name, number_of(zone / "temp")
        if millidegrees is not None:
            found[f"{name} ({zone.name})" if name in found else name] = millidegrees / 1000
    return found


def cpu_mhz(root: Path = FILE_SYSTEM) -> dict[str, float]:
    """Return the present clock of each processor core in MHz; empty where the kernel does not set it."""
    files = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
    clocks = {file.parts[-3]: number_of(file) for file in files}
    return {core: khz / 1000 for core, khz in clocks.items() if khz is not None}


def gpu_load(root: Path = FILE_SYSTEM) -> dict[str, float]:
    """Return the load of a Jetson's GPU, 0..1, by its name in the device tree; empty elsewhere."""
    devices = sorted((root / "sys/class/devfreq").glob("*/device"))
    loads = {text_of(device / "of_node/name"): number_of(device / "load") for device in devices}
    return {name: load / 1000 for name, load in loads.items() if name in _INTEGRATED_GPUS and load is not None}
