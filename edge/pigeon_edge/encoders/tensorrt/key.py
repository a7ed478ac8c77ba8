"""PURE: what an engine is valid for. Any difference, and it must be built again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pigeon_edge.bundle.format import GRAPH, TWIN, Bundle
from pigeon_edge.encoders.tensorrt.api import TensorRt
from pigeon_edge.encoders.tensorrt.gpu import Gpu
from pigeon_edge.settings import read_settings

BATCHES = (1, 4, 8)
"""The batch sizes that an engine is built for, each with kernels of its own."""


@dataclass(frozen=True)
class EngineOptions:
    """How an engine is built: its batch sizes, ascending, and TensorRT's optimisation level (0 to 5, 3 by default)."""

    batches: tuple[int, ...] = BATCHES
    optimisation_level: int = 3

    def __str__(self) -> str:
        return f"batches {', '.join(map(str, self.batches))} at optimisation level {self.optimisation_level}"


@dataclass(frozen=True)
class EngineKey:
    """What an engine is valid for.

    ``graph_sha256`` is of the bundle's INT8 graph, ``twin_sha256`` of its full-precision twin, from which an FP16
    engine is built, None where the bundle has none. ``flavour`` and ``version`` are TensorRT's, ``capability`` is the
    GPU's ("8.7"), ``l4t`` Jetson Linux's ("36.4"), None elsewhere.
    """

    graph_sha256: str
    flavour: str
    version: str
    gpu_name: str
    capability: str
    l4t: str | None
    options: EngineOptions = EngineOptions()
    twin_sha256: str | None = None

    @classmethod
    def of(cls, bundle: Bundle, api: TensorRt, gpu: Gpu, l4t: str | None) -> EngineKey:
        """Return the key of a bundle's engine for a TensorRT and a GPU; ``l4t`` is what ``l4t_branch`` returns."""
        graph, twin = bundle.files[GRAPH][1], bundle.files.get(TWIN)
        return cls(
            graph,
            api.flavour.value,
            api.version,
            gpu.name,
            gpu.capability_label,
            l4t,
            twin_sha256=twin and twin[1],
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the key, 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def differences(self, other: EngineKey) -> list[str]:
        """Return in words why an engine of this key does not serve ``other``, what is asked for; empty if it does."""
        pairs = zip(self._facts(), other._facts(), strict=True)
        return [f"built for {built}, this is {asked}" for built, asked in pairs if built != asked]

    def _facts(self) -> tuple[str, ...]:
        return (
            f"graph {self.graph_sha256[:12]}",
            f"{self.flavour} {self.version}",
            f"{self.gpu_name} {self.capability}",
            f"L4T {self.l4t}" if self.l4t else "no Jetson",
            str(self.options),
            f"full-precision graph {self.twin_sha256[:12]}" if self.twin_sha256 else "no full-precision graph",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the key as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> EngineKey:
        """Read what ``to_json`` wrote. Raises UsageError, TypeError or KeyError where it is malformed."""
        options = {**document["options"], "batches": tuple(document["options"]["batches"])}
        return read_settings(cls, {**document, "options": read_settings(EngineOptions, options)})
