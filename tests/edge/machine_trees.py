"""Small /proc, /sys and /etc trees, as the machines they are named after have them."""

from __future__ import annotations

from pathlib import Path

ROLLUP = """55a1c603f000-7ffceb339000 ---p 00000000 00:00 0                          [rollup]
Rss:               90000 kB
Pss:               60000 kB
Shared_Clean:      20000 kB
Shared_Dirty:          0 kB
Private_Clean:     30000 kB
Private_Dirty:     40000 kB
Anonymous:         39000 kB
"""


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """Write files by their paths below a root; return the root."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def meminfo(total_mib: int, available_mib: int, swap_mib: int = 0, cma_mib: tuple[int, int] | None = None) -> str:
    """Return the text of /proc/meminfo; ``cma_mib`` is total and free."""
    sizes = {"MemTotal": total_mib, "MemFree": 100, "MemAvailable": available_mib, "SwapTotal": swap_mib}
    sizes |= {"CmaTotal": cma_mib[0], "CmaFree": cma_mib[1]} if cma_mib else {}
    return "".join(f"{name + ':':<16}{mib * 1024:>8} kB\n" for name, mib in sizes.items()) + "HugePages_Total:   0\n"


def laptop(root: Path) -> Path:
    """A laptop without an NVIDIA GPU."""
    return write_tree(
        root,
        {
            "proc/meminfo": meminfo(16000, 9000, 2000),
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\n\nprocessor\t: 1\n",
            "proc/self/smaps_rollup": ROLLUP,
            "proc/self/status": "Name:\tpython\nVmHWM:\t   95000 kB\nVmRSS:\t   90000 kB\n",
            "sys/class/thermal/thermal_zone0/type": "acpitz\n",
            "sys/class/thermal/thermal_zone0/temp": "41500\n",
            "sys/class/thermal/thermal_zone1/type": "acpitz\n",
            "sys/class/thermal/thermal_zone1/temp": "27800\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1800000\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "2400000\n",
        },
    )


def orin_nano(root: Path) -> Path:
    """An Orin Nano with JetPack 6.2; one of its thermal zones does not answer."""
    return write_tree(
        root,
        {
            "proc/meminfo": meminfo(7620, 5800, 3810, (256, 200)),
            "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 62.50\nCPU part\t: 0xd42\n",
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
            "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "51093\n",
            "sys/class/thermal/thermal_zone1/type": "cv0-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "",
            "sys/class/devfreq/17000000.gpu/device/of_node/name": "gpu\0",
            "sys/class/devfreq/17000000.gpu/device/load": "985\n",
            "sys/class/devfreq/15340000.vic/device/of_node/name": "vic\0",
            "sys/class/devfreq/15340000.vic/device/load": "10\n",
        },
    )


def thor(root: Path) -> Path:
    """A Thor with JetPack 7.2."""
    return write_tree(
        root,
        {
            "proc/meminfo": meminfo(125000, 110000, 0, (1024, 900)),
            "proc/device-tree/model": "NVIDIA Jetson AGX Thor Developer Kit\0",
            "etc/nv_tegra_release": "# R39 (release), REVISION: 2.0, GCID: 43000000, BOARD: generic, EABI: aarch64\n",
        },
    )


def write_program(folder: Path, name: str, script: str) -> Path:
    """Write an executable shell script; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder
