"""Programs on processors that this machine does not have: qemu's user mode, with the /proc/cpuinfo of such a one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EDGE = ROOT / "edge"
AARCH64 = ROOT / "build" / "aarch64"
"""What ``make aarch64`` prepares."""

ORIN = """\
processor\t: {number}
BogoMIPS\t: 62.50
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd42
CPU revision\t: 1

"""
"""A core of an Orin: Cortex-A78AE, with dot products and without i8mm."""

HASWELL = """\
processor\t: {number}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 60
model name\t: Intel Core Processor (Haswell)
flags\t\t: fpu sse sse2 ssse3 fma sse4_1 sse4_2 movbe popcnt aes xsave avx f16c rdrand avx2 bmi1 bmi2

"""
"""A core that has AVX2 and no int8 products."""


class Machine:
    """Runs Python as an emulated machine would. ``interpreter`` starts it, ``variables`` are its environment's."""

    def __init__(self, cpuinfo: Path, interpreter: list[str], variables: dict[str, str]) -> None:
        self._cpuinfo, self._interpreter, self._variables = cpuinfo, interpreter, variables

    def python(self, *arguments: object, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """Run Python with arguments; in namespaces of its own, where its /proc/cpuinfo lies over this machine's."""
        bound = ["unshare", "-rm", "sh", "-c", 'mount --bind "$0" /proc/cpuinfo && exec "$@"', str(self._cpuinfo)]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIGEON_EDGE", "PYTHON"))}
        cache = {"PIGEON_EDGE_CACHE": os.environ["PIGEON_EDGE_CACHE"]}
        command = [*bound, *self._interpreter, *map(str, arguments)]
        variables = {**kept, **cache, **self._variables}
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=timeout_s, check=False)


def haswell(folder: Path) -> Machine:
    """Return this machine without anything beyond AVX2; skip where it cannot be emulated."""
    _need("qemu-x86_64")
    interpreter = ["qemu-x86_64", "-cpu", "Haswell", sys.executable]
    paths = os.pathsep.join(str(ROOT / name) for name in (".", "edge", "calibration", "export", "training"))
    return Machine(_written(folder, HASWELL), interpreter, {"PYTHONPATH": paths})


def orin_cores(folder: Path) -> Machine:
    """Return a machine with cores as an Orin has; skip where it cannot be emulated."""
    _need("qemu-aarch64")
    if not AARCH64.is_dir():
        pytest.skip(f"{AARCH64} is not there; make aarch64, once, with a network")
    root = AARCH64 / "root"
    interpreter = ["qemu-aarch64", "-cpu", "cortex-a76", "-L", str(root), str(root / "usr/bin/python3.11")]
    paths = os.pathsep.join(map(str, (EDGE, AARCH64 / "packages")))
    return Machine(_written(folder, ORIN), interpreter, {"PYTHONPATH": paths})


def _need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed; apt-get install qemu-user")
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system gives no namespaces to a user, in which /proc/cpuinfo is another's")


def _written(folder: Path, core: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text("".join(core.format(number=number) for number in range(os.cpu_count() or 1)))
    return path
