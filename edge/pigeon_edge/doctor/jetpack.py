"""Is this a Jetson, and with which JetPack?"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pigeon_edge.doctor.finding import Finding, fail, ok, warn
from pigeon_edge.doctor.host import Host
from pigeon_edge.errors import PigeonError

_JETPACKS: Mapping[tuple[int, ...], str] = MappingProxyType(
    {
        (36, 4, 0): "6.1",
        (36, 4, 3): "6.2",
        (36, 4, 4): "6.2.1",
        (36, 4, 7): "6.2.1",
        (36, 5, 0): "6.2.2",
        (36, 5, 2): "6.2.3",
        (38, 2, 0): "7.0",
        (38, 4, 0): "7.1",
        (39, 2, 0): "7.2",
        (39, 2, 1): "7.2.1",
    }
)
"""JetPack by the L4T release, of those with TensorRT 10.3 or later."""

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
    numbers = tuple(int(part) for part in release.split(".") if part)
    if numbers < _OLDEST:
        return fail(f"L4T {release} has TensorRT 8", "flash JetPack 6.1 or later, which has TensorRT 10.3")
    known = _jetpack(numbers)
    if known is None:
        return warn(f"L4T {release}, which this program does not know", "trust the lines on TensorRT and engine")
    return ok(f"JetPack {known} (L4T {release}){_package(host)}")


def _jetpack(release: tuple[int, ...]) -> str | None:
    """Return the JetPack of a release, None of an unknown branch; of an unknown patch, the one before "or later"."""
    before = [known for known in _JETPACKS if known[:2] == release[:2] and known <= release]
    if not before:
        return None
    latest = max(before)
    return _JETPACKS[latest] if latest == release else f"{_JETPACKS[latest]} or later"


def _package(host: Host) -> str:
    """Return the version of the package nvidia-jetpack, which a lean image need not have."""
    try:
        found = host.ask("dpkg-query", "--show", "--showformat=${Version}", "nvidia-jetpack")
    except PigeonError:
        return ""
    return f", package nvidia-jetpack {found.output}" if found.code == 0 and found.output else ""
