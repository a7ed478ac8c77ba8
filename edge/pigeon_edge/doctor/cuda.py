"""Does the GPU's driver work?"""

from __future__ import annotations

from pigeon_edge.doctor.finding import Finding, broken, fail, ok
from pigeon_edge.doctor.host import Host
from pigeon_edge.errors import PigeonError

NO_GPU = "not needed: no NVIDIA GPU here, the CPU runs the graph"

_JETSON = (
    "sudo usermod -aG video,render $USER and log in again; in a container, start it with --runtime nvidia; "
    "after an update of JetPack, reboot"
)
_OTHER = "see whether nvidia-smi works; reboot after an update of the driver; in a container, start it with --gpus all"


def check_cuda(host: Host) -> Finding:
    """Ask the driver for its version and its GPUs."""
    if not host.has_gpu:
        return ok(NO_GPU)
    remedy = _JETSON if host.is_jetson else _OTHER
    try:
        told = host.probe("cuda")
    except PigeonError as error:
        return host.gpu_trouble(broken(error, remedy))
    if not told["gpus"]:
        return host.gpu_trouble(fail(f"driver for CUDA {told['version']}, no GPU", remedy))
    return ok(f"driver for CUDA {told['version']}: {', '.join(told['gpus'])}")


def check_pycuda(host: Host) -> Finding:
    """Ask pycuda, through which engines run, for the GPU."""
    if not host.has_gpu:
        return ok(NO_GPU)
    try:
        told = host.probe("pycuda")
    except PigeonError as error:
        remedy = "export PATH=/usr/local/cuda/bin:$PATH, then pip install pycuda: it compiles for some minutes"
        return host.gpu_trouble(broken(error, remedy))
    return ok(f"pycuda {told['version']} sees {told['gpu']}")
