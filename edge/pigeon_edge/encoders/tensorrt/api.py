"""The only importer of TensorRT's Python bindings, and the one place where their versions differ.

TensorRT 10.3 (JetPack 6.2), 10.13 and 10.16 (JetPack 7), 11.4 and TensorRT-RTX share nearly everything that is needed;
what they do not share is a property or a method of ``TensorRt``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from pigeon_edge.errors import EngineError, MissingToolError, UsageError


class Flavour(str, Enum):
    """Which of the two: TensorRT of JetPack and servers, or TensorRT-RTX of GeForce and RTX cards."""

    TENSORRT = "tensorrt"
    RTX = "tensorrt-rtx"


_MODULES: Mapping[Flavour, str] = MappingProxyType({Flavour.TENSORRT: "tensorrt", Flavour.RTX: "tensorrt_rtx_bindings"})

_INSTALL: Mapping[Flavour, str] = MappingProxyType(
    {
        Flavour.TENSORRT: "on JetPack, sudo apt install python3-libnvinfer, and make the virtual environment with "
        "--system-site-packages and the system's own Python",
        Flavour.RTX: "on x86-64, pip install 'pigeon-edge[rtx]'",
    }
)


@dataclass(frozen=True)
class TensorRt:
    """TensorRT's bindings: the module, which flavour it is, and its full version, such as "10.3.0"."""

    module: Any
    flavour: Flavour
    version: str

    @property
    def label(self) -> str:
        """Flavour and version in words."""
        name = "TensorRT-RTX" if self.flavour is Flavour.RTX else "TensorRT"
        return f"{name} {self.version}"

    @property
    def builds_without_gpu(self) -> bool:
        """Whether a graph is compiled on the CPU for compute capabilities that are stated."""
        return self.flavour is Flavour.RTX

    @property
    def times_tactics(self) -> bool:
        """Whether the builder times tactics, and so a timing cache shortens the next build.

        TensorRT-RTX does not, and building with such a cache makes it need a GPU.
        """
        return self.flavour is Flavour.TENSORRT

    def strongly_typed(self) -> int:
        """Return the flags of a network whose types are those of the graph; 11 knows no other and still takes it."""
        return 1 << int(self.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)

    def aim(self, config: Any, capability: str) -> None:
        """Have a builder's configuration build for one compute capability, such as "8.6".

        Raises EngineError where this TensorRT builds for the GPU at hand only, UsageError where not for that one.
        """
        if not self.builds_without_gpu:
            raise EngineError(f"{self.label} builds for the GPU at hand only; run this on the machine with that GPU")
        known = self.module.ComputeCapability
        name = f"SM{capability.replace('.', '')}"
        if name not in known.__members__:
            able = ", ".join(f"{member[2:-1]}.{member[-1]}" for member in known.__members__ if member[:2] == "SM")
            raise UsageError(f"{self.label} builds for compute capabilities {able}, not for {capability}")
        config.num_compute_capabilities = 1
        config.set_compute_capability(known.__members__[name], 0)


def installed_flavour() -> Flavour:
    """Return TensorRT-RTX where that alone is installed, else TensorRT; neither is imported."""
    present = {flavour for flavour, name in _MODULES.items() if importlib.util.find_spec(name)}
    return Flavour.RTX if present == {Flavour.RTX} else Flavour.TENSORRT


def load_tensorrt(flavour: Flavour) -> TensorRt:
    """Import TensorRT's bindings. Raises MissingToolError with what to install."""
    name = _MODULES[flavour]
    try:
        module = importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: its libraries, which the bindings open themselves
        reason = str(error).strip().splitlines()[0]
        raise MissingToolError(f"{flavour.value} cannot be loaded ({reason}): {_INSTALL[flavour]}") from error
    return TensorRt(module, flavour, str(module.__version__))
