"""What runs the encoder, as a report names it."""

from __future__ import annotations

from pigeon_edge.bundle.format import Bundle
from pigeon_edge.encoders import Encoder
from pigeon_edge.encoders.protocol import label_of
from pigeon_edge.encoders.select import find_engine
from pigeon_edge.encoders.tensorrt.encoder import TensorRtEncoder


def engine_of(encoder: Encoder, bundle: Bundle) -> dict[str, str | None]:
    """Return name, version and precision of what runs a bundle's encoder.

    The name is the label's in small letters, as ``--engine`` and the engine cache have it: "onnxruntime",
    "tensorrt-rtx". The precision is that of a TensorRT engine; the processor runs a graph as it is, None.
    """
    name, _, version = label_of(encoder).rpartition(" ")
    return {
        "name": (name or version).replace(" ", "").lower(),
        "version": version if name else None,
        "precision": _precision(bundle) if isinstance(encoder, TensorRtEncoder) else None,
    }


def _precision(bundle: Bundle) -> str:
    """Return what the engine computes in, by its record in the cache: a plan does not tell."""
    _, built = find_engine(bundle)
    return built.precision.value
