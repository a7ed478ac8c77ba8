"""The GPU that an engine is built for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """A GPU: name, compute capability such as (8, 7), and whether it shares the memory of the processor."""

    name: str
    capability: tuple[int, int]
    integrated: bool

    @property
    def capability_label(self) -> str:
        """The compute capability as NVIDIA writes it: "8.7"."""
        return ".".join(map(str, self.capability))
