"""``python -m pigeon_edge.doctor.child NAME ...``: try one library, print what it tells as one line of JSON.

A process of its own, because a broken TensorRT, driver or CPU engine may abort or hang. On trouble, the reason is the
last line on stderr, and the exit code is that of MissingToolError where something is not installed, else EngineError's.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from pigeon_edge.errors import EngineError, MissingToolError, PigeonError

_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
"""CUdevice_attribute of CUDA's driver interface (cuda.h)."""

_NO_LIBRARY = "cannot open shared object file: No such file"
"""What the dynamic linker says of a library that it finds nowhere."""


def cuda() -> dict[str, Any]:
    """Return the driver's CUDA version and the GPUs' names and compute capabilities, from the driver itself."""
    library = ctypes.CDLL("libcuda.so.1")
    number = ctypes.c_int()
    _check(library, library.cuInit(0))
    _check(library, library.cuDriverGetVersion(ctypes.byref(number)))
    driver = f"{number.value // 1000}.{number.value % 1000 // 10}"
    _check(library, library.cuDeviceGetCount(ctypes.byref(number)))
    return {"version": driver, "gpus": [_gpu(library, ordinal) for ordinal in range(number.value)]}


def _gpu(library: ctypes.CDLL, ordinal: int) -> str:
    device, name, number = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_int()
    _check(library, library.cuDeviceGet(ctypes.byref(device), ordinal))
    _check(library, library.cuDeviceGetName(name, len(name), device))
    capability = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        _check(library, library.cuDeviceGetAttribute(ctypes.byref(number), attribute, device))
        capability.append(str(number.value))
    return f"{name.value.decode(errors='replace')} ({'.'.join(capability)})"


def _check(library: ctypes.CDLL, code: int) -> None:
    if code:
        reason = ctypes.c_char_p()
        library.cuGetErrorString(code, ctypes.byref(reason))
        raise EngineError(f"CUDA error {code}: {(reason.value or b'unknown').decode()}")


def tensorrt() -> dict[str, Any]:
    """Return name and version of TensorRT's bindings, or TensorRT-RTX's where those alone are installed.

    Raises ImportError or OSError, the bare reason, where they cannot be loaded.
    """
    from pigeon_edge.encoders.tensorrt.api import installed_flavour, load_tensorrt

    try:
        api = load_tensorrt(installed_flavour())
    except MissingToolError as error:
        raise (error.__cause__ or error) from None
    return {"flavour": api.flavour.value, "version": api.version, "label": api.label}


def pycuda() -> dict[str, Any]:
    """Return pycuda's version and the GPU that it sees."""
    from pigeon_edge.encoders.tensorrt.cuda import gpu

    found = gpu()
    return {"version": version("pycuda"), "gpu": f"{found.name} ({found.capability_label})"}


def faiss() -> dict[str, Any]:
    """Return faiss's version and whether it maps galleries into memory."""
    import faiss as library

    return {"version": library.__version__, "maps": hasattr(library, "IO_FLAG_MMAP_IFC")}


def pillow() -> dict[str, Any]:
    """Return Pillow's version."""
    import PIL.Image  # which loads what is compiled

    return {"version": PIL.__version__}


def av() -> dict[str, Any]:
    """Return PyAV's version."""
    import av as library

    return {"version": library.__version__}


def engine(bundle: str) -> dict[str, Any]:
    """Return the TensorRT engine that the cache has for a bundle's graph on this machine.

    Raises EngineError where it has none.
    """
    from pigeon_edge.bundle.format import open_bundle
    from pigeon_edge.encoders.select import find_engine

    _, found = find_engine(open_bundle(bundle))
    return {"precision": found.precision.value, "reason": found.verdict.reason}


def self_test(bundle: str, name: str) -> dict[str, Any]:
    """Return how near an engine comes to a bundle's golden probes; ``name`` is one of ``encoders.Engine``."""
    from pigeon_edge.bundle.format import open_bundle
    from pigeon_edge.encoders import Engine, open_encoder
    from pigeon_edge.encoders.golden import GOLDEN, LEAST_COSINE, least_cosine, read_golden
    from pigeon_edge.encoders.protocol import label_of

    opened = open_bundle(bundle)
    golden = read_golden(opened.file(GOLDEN))
    encoder = open_encoder(opened, Engine(name))
    return {"engine": label_of(encoder), "cosine": least_cosine(encoder, golden), "least": LEAST_COSINE}


_PROBES: Mapping[str, Callable[..., dict[str, Any]]] = MappingProxyType(
    {probe.__name__: probe for probe in (cuda, tensorrt, pycuda, faiss, pillow, av, engine, self_test)}
)


def main() -> None:
    """Run the probe that the command line names."""
    name, *arguments = sys.argv[1:]
    try:
        answer = _PROBES[name](*arguments)
    except (PigeonError, ImportError, OSError) as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        sys.exit((MissingToolError if _is_missing(error) else EngineError).exit_code)
    sys.stdout.write(json.dumps(answer) + "\n")


def _is_missing(error: Exception) -> bool:
    """Tell whether something is not there at all, rather than there and broken."""
    return isinstance(error, (MissingToolError, ModuleNotFoundError)) or _NO_LIBRARY in str(error)


if __name__ == "__main__":
    main()
