"""The seam for the hardware: pixels in; embeddings, geocell logits and, where they were trained, other tasks out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.encoding import TASK_OUTPUTS, Encoding
from pigeon_edge.errors import EngineError
from pigeon_edge.images.preprocess import Pixels

INPUT = "pixels"
OUTPUTS = ("image_embedding", "cell_logits")
"""What an encoder graph is fed, and what it must give."""


class Encoder(Protocol):
    """Runs the encoder graph. ``pixels`` are (N, S, S, 3) uint8 for any N >= 1."""

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of N photographs."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """An encoder that tells which library runs it, as those of every engine do."""

    @property
    def label(self) -> str:
        """The library's name and its version, such as "ONNX Runtime 1.24.4"."""
        ...


def label_of(encoder: Encoder) -> str:
    """Return what runs an encoder: its label, or the name of its class where it tells none."""
    return encoder.label if isinstance(encoder, Labelled) else type(encoder).__name__


def check_names(graph: Path | str, inputs: Collection[str], outputs: Collection[str]) -> None:
    """Raise EngineError where a graph does not have the input and the outputs of an encoder."""
    missing = [name for name in (INPUT,) if name not in inputs] + [name for name in OUTPUTS if name not in outputs]
    if missing:
        found = ", ".join([*inputs, *outputs])
        raise EngineError(f"{graph}: an encoder has {', '.join(missing)}, found only {found}; export the graph again")


def outputs_of(names: Collection[str]) -> list[str]:
    """Return what is read of a graph with outputs of these names."""
    return [*OUTPUTS, *(name for name in TASK_OUTPUTS if name in names)]


def encoding_of(outputs: Mapping[str, npt.NDArray[np.float32]]) -> Encoding:
    """Return the encoding that a graph's outputs by name are."""
    tasks = {name: outputs[name] for name in TASK_OUTPUTS if name in outputs}
    return Encoding(outputs["image_embedding"], outputs["cell_logits"], tasks)
