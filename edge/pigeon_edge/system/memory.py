"""Memory of the machine and of this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pigeon_edge.errors import EngineError
from pigeon_edge.system.files import FILE_SYSTEM, kilobytes_of, text_of


@dataclass(frozen=True)
class ProcessMemory:
    """Bytes of this process that are in memory now.

    ``private``: pages that no other process shares (Private_Clean + Private_Dirty). ``anonymous``: those without a file
    behind them, which the kernel cannot drop. ``mapped``: pages of files (Rss - Anonymous): program, graph and gallery,
    which it can. ``peak``: the most that was ever in memory at once (VmHWM).
    """

    resident: int
    private: int
    anonymous: int
    mapped: int
    peak: int


def meminfo(root: Path = FILE_SYSTEM) -> dict[str, int]:
    """Return bytes by name of /proc/meminfo (MemTotal, MemAvailable, SwapTotal, CmaTotal ...); empty without it."""
    return kilobytes_of(text_of(root / "proc/meminfo") or "")


def available_bytes(root: Path = FILE_SYSTEM) -> int:
    """Return MemAvailable: what can be taken without swapping. Raises EngineError where the kernel does not tell."""
    table = meminfo(root)
    if "MemAvailable" not in table:
        raise EngineError(f"{root / 'proc/meminfo'}: expected MemAvailable, found none; needs Linux 3.14 or newer")
    return table["MemAvailable"]


def free_contiguous_bytes(root: Path = FILE_SYSTEM) -> int | None:
    """Return CmaFree, from which a Jetson takes what its GPU must have in one piece; None where there is none."""
    return meminfo(root).get("CmaFree")


def process_memory(root: Path = FILE_SYSTEM) -> ProcessMemory | None:
    """Return the memory of this process, None where the system does not tell (Linux before 4.14, others)."""
    rollup = kilobytes_of(text_of(root / "proc/self/smaps_rollup") or "")
    status = kilobytes_of(text_of(root / "proc/self/status") or "")
    if not {"Rss", "Private_Clean", "Private_Dirty", "Anonymous"} <= set(rollup):
        return None
    return ProcessMemory(
        resident=rollup["Rss"],
        private=rollup["Private_Clean"] + rollup["Private_Dirty"],
        anonymous=rollup["Anonymous"],
        mapped=rollup["Rss"] - rollup["Anonymous"],
        peak=max(status.get("VmHWM", 0), rollup["Rss"]),
    )
