"""Is this a Jetson, and with which JetPack?"""

from __future__ import annotations

from pigeon_edge.doctor.finding import Finding, fail, ok, warn
from pigeon_edge.doctor.host import Host
from pigeon_edge.errors import PigeonError

_JETPACKS = (
    ("36.4.0", "6.1"),
    ("36.4.3", "6.2"),
    ("36.4", "6.2.1"),
    ("36.5", "6.2.2"),
    ("38.2", "7.0"),
    ("38.4", "7.1"),
    ("39.2", "7.2"),
)
"""JetPack by the beginning of the L4T release, the first that fits; those with TensorRT 10.3 or later."""

_OLDEST = (36, 4)


def check_jetpack(host: Host) -> Finding:
    """Find the release; one without TensorRT 10.3 or later fails."""
    if not host.is_jetson:
        return ok("not needed: this is no Jetson")
    release = host.machine.l4t
    if release is None:
        return warn(
            "a Jetson that does not tell its release, as in a container",
            "mount the host's file: --volume /etc/nv_tegra_release:/etc/nv_tegra_release:ro",
        )
    if tuple(map(int, release.split(".")[:2])) < _OLDEST:
        return fail(f"L4T {release} has TensorRT 8", "flash JetPack 6.1 or later, which has TensorRT 10.3")
    known = next((name for start, name in _JETPACKS if f"{release}.".startswith(f"{start}.")), None)
    if known is None:
        return warn(f"L4T {release}, which this program does not know", "trust the lines on TensorRT and engine")
    return ok(f"JetPack {known} (L4T {release}){_package(host)}")


def _package(host: Host) -> str:
    """Return the version of the package nvidia-jetpack, which a lean image need not have."""
    try:
        found = host.ask("dpkg-query", "--show", "--showformat=${Version}", "nvidia-jetpack")
    except PigeonError:
        return ""
    return f", package nvidia-jetpack {found.output}" if found.code == 0 and found.output else ""
