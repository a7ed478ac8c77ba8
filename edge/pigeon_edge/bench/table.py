"""PURE. A run's report as a page to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Report = Mapping[str, Any]

_NOT_TOLD = "not told by this system"
_MEMORY = {"private": "private", "anonymous": "of it anonymous", "mapped": "mapped files", "peak": "at the peak"}
_COLUMNS = ("p50", "p95", "p99", "max")


def page(report: Report) -> str:
    """Return the page, with a final newline."""
    sections = (_facts(report), _latencies(report), _throughput(report), _course(report))
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _facts(report: Report) -> Iterable[str]:
    engine, machine, photographs = report["engine"], report["machine"], report["photographs"]
    yield _line("bundle", report["bundle"])
    precision = f", {engine['precision']}" if engine["precision"] else ""
    yield _line("engine", f"{engine['name']} {engine['version'] or '(version not told)'}{precision}")
    board = f"{machine['board']}, " if machine["board"] else ""
    yield _line("machine", f"{board}{machine['processor']}, {machine['cores']} cores")
    yield _line("system", f"{machine['system']}, load {machine['load_per_core']} a core before the run")
    used, median_kb = f"{photographs['count']} of {photographs['found']}", photographs["median_bytes"] / 1e3
    yield _line("photographs", f"{used}, half of them above {median_kb:,.0f} kB")
    yield _line("measured", _duration(report["duration"]))


def _duration(duration: Report) -> str:
    told = f"{duration['measured_s']:,.1f} s after {duration['warm_up_s']:g} s of warming up"
    return f"{told}; interrupted, {duration['planned_s']:g} s were asked for" if duration["interrupted"] else told


def _latencies(report: Report) -> Iterable[str]:
    count = report["latency_ms"]["count"]
    yield _row(f"ms, one photograph ({count:,})", _COLUMNS)
    yield _row("file content to answer", _milliseconds(report["latency_ms"]))
    for name, latency in report["stage_ms"].items():
        yield _row(f"  {name}", _milliseconds(latency))


def _milliseconds(latency: Report) -> Sequence[str]:
    return [f"{latency[column]:,.2f}" for column in _COLUMNS]


def _throughput(report: Report) -> Iterable[str]:
    yield _row("photographs a second", [f"batch {told['batch']}" for told in report["throughput"]])
    yield _row("pixels to answers", [f"{told['per_second']:,.1f}" for told in report["throughput"]])


def _course(report: Report) -> Iterable[str]:
    sensors = report["sensors"]
    yield _line("drift", _drift(report["drift"]))
    yield _line("memory", _memory(report["memory"]))
    yield _line("temperature", _ranges(sensors["temperature_c"], 1, "C"))
    yield _line("cpu clock", _ranges(sensors["cpu_mhz"], 1, "MHz"))
    yield _line("gpu load", _ranges(sensors["gpu_load"], 100, "%"))
    yield _line("power mode", sensors["power_mode"] or _NOT_TOLD)


def _drift(drift: Report | None) -> str:
    if drift is None:
        return "not measured: the run ended in its first tenth"
    first, last = drift["first_tenth_p50_ms"], drift["last_tenth_p50_ms"]
    return f"{drift['change']:+.1%}: median {first:,.2f} ms in the first tenth of the run, {last:,.2f} ms in the last"


def _memory(memory: Report) -> str:
    now, before = memory["at_end"], memory["after_warm_up"]
    if now is None or before is None:
        return _NOT_TOLD
    grown_mb = (now["anonymous"] - before["anonymous"]) / 1e6
    told = ", ".join(f"{now[key] / 1e6:,.0f} MB {words}" for key, words in _MEMORY.items())
    return f"{told}; anonymous {grown_mb:+,.1f} MB over the run"


def _ranges(extremes: Mapping[str, Sequence[float]], scale: float, unit: str) -> str:
    told = (f"{name} {least * scale:.0f} to {most * scale:.0f} {unit}" for name, (least, most) in extremes.items())
    return ", ".join(told) or _NOT_TOLD


def _line(name: str, text: str) -> str:
    return f"{name:<12} {text}"


def _row(name: str, cells: Iterable[str]) -> str:
    return f"{name:<32}" + "".join(f"{cell:>12}" for cell in cells)
