"""The libraries that pip installs: faiss and Pillow, without which nothing is located, and PyAV for video."""

from __future__ import annotations

from pigeon_edge.doctor.finding import Finding, broken, fail, ok, warn
from pigeon_edge.doctor.host import Host
from pigeon_edge.errors import PigeonError
from pigeon_edge.system.known_faults import fault_of

_FAISS = "pip install 'faiss-cpu>=1.14.2'"
_STREAMS = "pip install 'pigeon-edge[streams]'"


def check_faiss(host: Host) -> Finding:
    """Load faiss and see that it maps galleries."""
    try:
        told = host.probe("faiss")
    except PigeonError as error:
        return broken(error, _FAISS)
    if not told["maps"]:
        return fail(f"faiss {told['version']} cannot map a gallery into memory", _FAISS)
    fault = fault_of("faiss-cpu")
    if fault:
        return warn(fault.sentence, fault.remedy)
    return ok(f"faiss {told['version']}, galleries are mapped into memory")


def check_pillow(host: Host) -> Finding:
    """Load Pillow, which reads photographs."""
    try:
        told = host.probe("pillow")
    except PigeonError as error:
        return broken(error, "pip install 'pillow>=11.3'")
    fault = fault_of("pillow")
    return warn(fault.sentence, fault.remedy) if fault else ok(f"Pillow {told['version']} reads photographs")


def check_video(host: Host) -> Finding:
    """Load PyAV, which reads video files and cameras."""
    try:
        return ok(f"PyAV {host.probe('av')['version']} reads video files and cameras")
    except PigeonError as error:
        if "No module named 'av'" in str(error) and not host.is_jetson:
            return ok(f"not needed for photographs: PyAV is not installed; for video {_STREAMS}")
        return warn(f"no video: {error}", _STREAMS)
