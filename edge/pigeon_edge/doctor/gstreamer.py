"""Can video be decoded by the Jetson's own hardware?"""

from __future__ import annotations

from pigeon_edge.doctor.finding import Finding, ok, warn
from pigeon_edge.doctor.host import Host
from pigeon_edge.errors import MissingToolError, PigeonError

ELEMENTS = ("nvv4l2decoder", "nvvidconv", "nvarguscamerasrc")
"""NVIDIA's elements for decoding, conversion and CSI cameras, of JetPack 6 and 7."""


def check_gstreamer(host: Host) -> Finding:
    """Look for GStreamer and, on a Jetson, for NVIDIA's elements."""
    try:
        version = host.ask("gst-launch-1.0", "--version").output
        missing = [name for name in ELEMENTS if host.is_jetson and not _has(host, name)]
    except MissingToolError as error:
        if not host.is_jetson:
            return ok(f"not needed: {error}, and this is no Jetson with decoders of its own")
        return warn(str(error), "sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-good nvidia-l4t-gstreamer")
    except PigeonError as error:
        return warn(str(error), "remove what GStreamer has cached: rm -r ~/.cache/gstreamer-1.0")
    told = _version(version)
    if missing:
        return warn(
            f"{told} without {', '.join(missing)}",
            "sudo apt install nvidia-l4t-gstreamer, then rm -r ~/.cache/gstreamer-1.0",
        )
    return ok(f"{told} with {', '.join(ELEMENTS)}" if host.is_jetson else told)


def _has(host: Host, element: str) -> bool:
    return host.ask("gst-inspect-1.0", "--exists", element).code == 0


def _version(output: str) -> str:
    named = [line for line in output.splitlines() if line.startswith("GStreamer ")]
    return named[0] if named else "GStreamer of unknown version"
