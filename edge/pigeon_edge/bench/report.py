"""What a run has measured, as JSON that can be published.

    schema       "pigeon-edge/bench@1"
    created      UTC, ISO 8601; version of pigeon-edge; bundle: name and digest
    engine       {"name", "version"} of the library that ran the encoder; "precision" of a TensorRT engine, else null
    machine      the fields of ``system.machine.Machine``; load_per_core before the run; libraries by name
    photographs  {"count", "found", "median_bytes"}: how many were used of those found
    duration     {"planned_s", "warm_up_s", "measured_s", "interrupted"}
    latency_ms   one photograph from file content to answer: {"count", "mean", "p50", "p95", "p99", "max"}
    stage_ms     the same by stage of it
    throughput   [{"batch", "photographs", "per_second"}], from decoded pixels to answers
    drift        {"first_tenth_p50_ms", "last_tenth_p50_ms", "change"} of the planned duration, or null
    memory       {"after_warm_up", "at_end"}: bytes, the fields of ``system.memory.ProcessMemory``, or null
    sensors      power_mode or null; temperature_c, cpu_mhz and gpu_load: {name: [least, most]}, empty where the
                 system does not tell

Nothing in it names a person, a host or a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pigeon_edge import __version__
from pigeon_edge.bench.latency import Drift, Latencies
from pigeon_edge.bench.photographs import Photographs
from pigeon_edge.bench.record import Record, Throughput
from pigeon_edge.bench.watch import Watch
from pigeon_edge.system.machine import Machine
from pigeon_edge.system.memory import ProcessMemory

SCHEMA = "pigeon-edge/bench@1"
_LIBRARIES = ("numpy", "pillow", "faiss-cpu")


@dataclass(frozen=True)
class Setting:
    """What does not change during a run."""

    bundle: str
    engine: Mapping[str, str | None]
    machine: Machine
    power_mode: str | None
    load_per_core: float
    warm_up_s: float
    memory: ProcessMemory | None


def load_per_core() -> float:
    """Return how busy the machine was over the last minute, 1 where every core was."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)


def report(
    setting: Setting,
    photographs: Photographs,
    record: Record,
    watch: Watch,
    memory: ProcessMemory | None,
    interrupted: bool,
) -> dict[str, Any]:
    """Return the document; the module's text has its keys. ``memory`` is that at the end."""
    return {
        "schema": SCHEMA,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "version": __version__,
        "bundle": setting.bundle,
        "engine": setting.engine,
        "machine": _machine(setting),
        "photographs": _photographs(photographs),
        "duration": {**_duration(setting, record), "interrupted": interrupted},
        **_measured(record),
        "memory": {"after_warm_up": _memory(setting.memory), "at_end": _memory(memory)},
        "sensors": _sensors(setting, watch),
    }


def _machine(setting: Setting) -> dict[str, Any]:
    libraries = {name: _version(name) for name in _LIBRARIES}
    return {**asdict(setting.machine), "load_per_core": setting.load_per_core, "libraries": libraries}


def _photographs(used: Photographs) -> dict[str, int]:
    return {"count": len(used.contents), "found": used.found, "median_bytes": used.median_bytes}


def _duration(setting: Setting, record: Record) -> dict[str, float]:
    return {"planned_s": record.planned_s, "warm_up_s": setting.warm_up_s, "measured_s": record.measured_s}


def _measured(record: Record) -> dict[str, Any]:
    return {
        "latency_ms": _latency(record.latencies),
        "stage_ms": {name: _latency(latencies) for name, latencies in record.stages.items()},
        "throughput": [_throughput(batch, told) for batch, told in record.throughput.items() if told.photographs],
        "drift": _drift(record.drift),
    }


def _latency(latencies: Latencies) -> dict[str, float]:
    percentiles = {f"p{percent}": latencies.percentile_ms(percent) for percent in (50, 95, 99)}
    mean = latencies.total_ms / latencies.count
    return {"count": latencies.count, "mean": mean, **percentiles, "max": latencies.longest_ms}


def _throughput(batch: int, told: Throughput) -> dict[str, float]:
    return {"batch": batch, "photographs": told.photographs, "per_second": told.per_second}


def _drift(drift: Drift | None) -> dict[str, float] | None:
    if drift is None:
        return None
    return {"first_tenth_p50_ms": drift.first_ms, "last_tenth_p50_ms": drift.last_ms, "change": drift.change}


def _memory(memory: ProcessMemory | None) -> dict[str, int] | None:
    return asdict(memory) if memory else None


def _sensors(setting: Setting, watch: Watch) -> dict[str, Any]:
    return {
        "power_mode": setting.power_mode,
        "temperature_c": watch.temperature_c,
        "cpu_mhz": watch.cpu_mhz,
        "gpu_load": watch.gpu_load,
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
