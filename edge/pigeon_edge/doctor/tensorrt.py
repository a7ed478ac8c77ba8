"""Can TensorRT be loaded, and is it one that this program knows?"""

from __future__ import annotations

import re

from pigeon_edge.doctor.cuda import NO_GPU
from pigeon_edge.doctor.finding import Finding, broken, fail, ok
from pigeon_edge.doctor.host import Host
from pigeon_edge.errors import PigeonError

OLDEST = (10, 3)
"""Of JetPack 6.2: the first with explicit quantization in strongly typed networks on a Jetson."""

_STATIC_TLS = re.compile(r"(\S+\.so[.\d]*): cannot allocate memory in static TLS block")


def check_tensorrt(host: Host) -> Finding:
    """Load the bindings in a process of their own."""
    if not host.has_gpu:
        return ok(NO_GPU)
    try:
        told = host.probe("tensorrt")
    except PigeonError as error:
        return host.gpu_trouble(broken(error, remedy(str(error))))
    if told["flavour"] == "tensorrt" and _numbers(told["version"]) < OLDEST:
        return host.gpu_trouble(
            fail(f"{told['label']} is too old", "flash JetPack 6.1 or later, which has TensorRT 10.3")
        )
    return ok(str(told["label"]))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def remedy(reason: str) -> str:
    """Return what to do about the reason for which the bindings cannot be loaded."""
    if crowded := _STATIC_TLS.search(reason):
        return f"have the library loaded first: export LD_PRELOAD={crowded[1]}"
    if "libnvdla_compiler.so" in reason:
        return (
            "hosts have none since JetPack 7: leave the container made for JetPack 6 (-igpu) for an arm64 (SBSA) "
            "image, or run on the host"
        )
    if "No module named" in reason:
        return (
            "sudo apt install python3-libnvinfer, and make the virtual environment of the system's own python3 with "
            "--system-site-packages"
        )
    return "see what python3 -c 'import tensorrt' says; sudo apt install --reinstall python3-libnvinfer"
