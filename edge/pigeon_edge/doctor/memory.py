"""Is there memory for the bundle, and can the GPU have it in one piece?"""

from __future__ import annotations

from pigeon_edge.bundle.format import GRAPH, open_bundle
from pigeon_edge.doctor.finding import Finding, fail, ok, warn
from pigeon_edge.doctor.host import Host
from pigeon_edge.errors import BundleError

GIB, MIB = 2**30, 2**20

NEED_A_GRAPH, NEED_BESIDES = 4, 150 * MIB
"""Peak of a process that opens an INT8 graph and encodes 8 photographs, measured on x86-64: ViT-L/14-336 (310 MB)
1.15 GB with OpenVINO and 1.30 GB with ONNX Runtime, ViT-B/32 (96 MB) 0.37 and 0.25 GB."""

_SMALL = 12 * GIB
"""On less, building an engine without swap has been killed on boards of 8 GB."""

LEAST_CMA, LEAST_FREE_CMA = 256 * MIB, 64 * MIB
"""What JetPack reserves by default, and a quarter of it."""

_MAKE_ROOM = "stop what else runs; on a Jetson the desktop: sudo systemctl isolate multi-user.target"
_SWAP = "sudo fallocate -l 8G /swap && sudo chmod 600 /swap && sudo mkswap /swap && sudo swapon /swap"
_CMA = "add cma=512M to the APPEND line of /boot/extlinux/extlinux.conf and reboot"


def check_memory(host: Host) -> Finding:
    """Compare the memory that is available with what the bundle takes."""
    told = host.meminfo
    if "MemAvailable" not in told:
        return warn("this system does not tell", "see that a few hundred megabytes are free")
    available, swap = told["MemAvailable"], told.get("SwapTotal", 0)
    what = f"{_gib(available)} of {_gib(told['MemTotal'])} available, swap {_gib(swap)}"
    try:
        graph = open_bundle(host.bundle).files[GRAPH][0]
    except BundleError:
        return ok(what)  # the line on the bundle says what is wrong with it
    need = NEED_A_GRAPH * graph + NEED_BESIDES
    if available < need:
        return fail(f"{what}; this bundle takes about {_gib(need)}", _MAKE_ROOM)
    if host.is_jetson and told["MemTotal"] < _SMALL and not swap:
        return warn(f"{what}; building an engine may be killed", _SWAP)
    return ok(f"{what}; this bundle takes about {_gib(need)}")


def check_cma(host: Host) -> Finding:
    """Look at the contiguous memory of a Jetson, from which its GPU takes some buffers."""
    total, free = (host.meminfo.get(name) for name in ("CmaTotal", "CmaFree"))
    if not host.is_jetson:
        return ok("not needed: this is no Jetson")
    if total is None or free is None:
        return ok("this kernel reserves no contiguous memory")
    what = f"{free // MIB} of {total // MIB} MiB of contiguous memory free"
    if total < LEAST_CMA:
        return warn(f"{what}; allocations of the GPU may fail (NvMap error 12)", _CMA)
    if free < LEAST_FREE_CMA:
        return warn(f"{what}; allocations of the GPU may fail (NvMap error 12)", f"{_MAKE_ROOM}; or {_CMA}")
    return ok(what)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
