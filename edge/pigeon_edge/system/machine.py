"""Which machine this is, so that a figure or a finding can be told apart from another machine's."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from pigeon_edge.errors import PigeonError
from pigeon_edge.system.files import FILE_SYSTEM, text_of
from pigeon_edge.system.memory import meminfo
from pigeon_edge.system.programs import ask


@dataclass(frozen=True)
class Machine:
    """``board`` is the device tree's name, ``l4t`` the release of a Jetson ("36.4.3"); both None elsewhere."""

    board: str | None
    processor: str
    cores: int
    memory_bytes: int | None
    system: str
    python: str
    l4t: str | None


def this_machine(root: Path = FILE_SYSTEM) -> Machine:
    """Return what the machine is."""
    return Machine(
        board=text_of(root / "proc/device-tree/model"),
        processor=processor_name(text_of(root / "proc/cpuinfo") or "") or platform.machine(),
        cores=os.cpu_count() or 1,
        memory_bytes=meminfo(root).get("MemTotal"),
        system=platform.platform(),
        python=platform.python_version(),
        l4t=l4t_release(root),
    )


def processor_name(cpuinfo: str) -> str | None:
    """Return the model in /proc/cpuinfo; ARM kernels name none."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else None


def l4t_release(root: Path = FILE_SYSTEM) -> str | None:
    """Return Jetson Linux's release, such as "36.4.3", None where this is no Jetson.

    The first line of /etc/nv_tegra_release begins "# R36 (release), REVISION: 4.3".
    """
    text = text_of(root / "etc/nv_tegra_release") or ""
    found = re.search(r"^# R(\d+) \(release\), REVISION: ([\d.]+)", text, re.MULTILINE)
    return f"{found[1]}.{found[2]}" if found else None


def l4t_branch(root: Path = FILE_SYSTEM) -> str | None:
    """Return major and minor number of ``l4t_release``, such as "36.4".

    The patch number changes no driver interface, so an engine outlives it.
    """
    release = l4t_release(root)
    return release and ".".join(release.split(".")[:2])


def is_jetson(root: Path = FILE_SYSTEM) -> bool:
    """Tell whether this is a Jetson, by its release or by the board's name (a container may hide the release)."""
    return l4t_release(root) is not None or "Jetson" in (text_of(root / "proc/device-tree/model") or "")


def has_nvidia_driver(root: Path = FILE_SYSTEM) -> bool:
    """Tell whether NVIDIA's driver is there: of a Jetson, of Linux, or of Windows beneath Linux."""
    return is_jetson(root) or (root / "proc/driver/nvidia/version").exists() or (root / "dev/dxg").exists()


def power_mode(timeout_s: float = 5.0) -> str | None:
    """Return the power mode of a Jetson ("MAXN_SUPER"), None where nvpmodel is not installed or does not tell."""
    try:
        found = re.search(r"NV Power Mode:\s*(\S+)", ask(["nvpmodel", "-q"], timeout_s).output)
    except PigeonError:
        return None
    return found[1] if found else None
