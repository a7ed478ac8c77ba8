"""Which cameras are there, and may this user use them?"""

from __future__ import annotations

from pigeon_edge.doctor.finding import Finding, ok, warn
from pigeon_edge.doctor.host import Host, group_of

ARGUS_SOCKET = "tmp/argus_socket"
"""Through which CSI cameras are reached; nvargus-daemon makes it."""


def check_cameras(host: Host) -> Finding:
    """Look at /dev/video* and, on a Jetson, for the daemon of CSI cameras."""
    devices = sorted((host.root / "dev").glob("video*"))
    if not devices:
        return ok("none is connected; photographs, folders and files of video need none")
    names = ", ".join(f"/dev/{device.name}" for device in devices)
    closed = [device for device in devices if not host.may_use(device)]
    if closed:
        group = group_of(closed[0])
        return warn(
            f"{names}: this user may not use {', '.join(f'/dev/{device.name}' for device in closed)}",
            f"sudo usermod -aG {group} $USER and log in again; in a container, add --device and --group-add {group}",
        )
    if host.is_jetson and not (host.root / ARGUS_SOCKET).exists():
        return warn(f"{names}; CSI cameras cannot be reached", "sudo systemctl restart nvargus-daemon")
    return ok(names)
