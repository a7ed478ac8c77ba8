"""What an engine is built for, as this machine tells it: the GPU, the L4T release, the memory that is free."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pigeon_edge.errors import EngineError

TEGRA_RELEASE = Path("/etc/nv_tegra_release")
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Gpu:
    """A GPU: name, compute capability such as (8, 7), and whether it shares the memory of the processor."""

    name: str
    capability: tuple[int, int]
    integrated: bool

    @property
    def capability_label(self) -> str:
        """The compute capability as NVIDIA writes it: "8.7"."""
        return ".".join(map(str, self.capability))


def l4t_release(path: Path = TEGRA_RELEASE) -> str | None:
    """Return Jetson Linux's major and minor number, such as "36.4", or None where this is no Jetson.

    The file's first line begins "# R36 (release), REVISION: 4.3". The patch number changes no driver interface, so an
    engine outlives it.
    """
    try:
        line = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return None
    found = re.search(r"R(\d+) \(release\), REVISION: (\d+)", line)
    return f"{found[1]}.{found[2]}" if found else None


def available_memory_bytes(path: Path = MEMINFO) -> int:
    """Return MemAvailable: what can be taken without swapping. Raises EngineError where the kernel does not tell."""
    return _meminfo(path)["MemAvailable"]


def free_contiguous_bytes(path: Path = MEMINFO) -> int | None:
    """Return CmaFree, from which a Jetson takes what its GPU must have in one piece; None where there is none."""
    return _meminfo(path).get("CmaFree")


def _meminfo(path: Path) -> dict[str, int]:
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise EngineError(f"{path}: expected the kernel's table of memory, {error.strerror}; needs Linux") from error
    table = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    if "MemAvailable" not in table:
        raise EngineError(f"{path}: expected MemAvailable, found none; needs Linux 3.14 or newer")
    return table
