"""From a decoded photograph to the pixels that an encoder takes.

One function for training, calibration, laptop and device. Normalisation is part of the graph, so
pixels stay uint8 all the way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeon_edge.errors import UsageError

Pixels: TypeAlias = npt.NDArray[np.uint8]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Channel statistics of CLIP's training set (Radford et al. 2021, clip/clip.py)."""

GRAPH_METADATA_KEY = "pigeon_edge.preprocess"
"""Under this key an ONNX graph carries its specification as JSON."""


@dataclass(frozen=True)
class PreprocessSpec:
    """How pixels are made: the short side is resized to ``size_px`` (bicubic, antialiased), the centre is cropped.

    ``mean`` and ``std`` are per RGB channel on a 0..1 scale and are applied inside the graph.
    """

    size_px: int
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD

    def to_json(self) -> dict[str, Any]:
        """Return the specification as JSON values."""
        return asdict(self)

    @classmethod
    def from_graph_metadata(cls, metadata: Mapping[str, str]) -> PreprocessSpec:
        """Read the metadata of an ONNX graph. Raises UsageError for a graph that was not exported by this project."""
        try:
            return cls.from_json(json.loads(metadata[GRAPH_METADATA_KEY]))
        except (KeyError, ValueError) as error:
            raise UsageError("expected a graph made by `pigeon-edge export onnx`, found no metadata of it") from error

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PreprocessSpec:
        """Read what ``to_json`` wrote. Raises UsageError on unknown or missing keys."""
        expected = {field.name for field in fields(cls)}
        if set(document) != expected:
            raise UsageError(f"a preprocess spec has the keys {sorted(expected)}, not {sorted(document)}")
        mean, std = (tuple(float(value) for value in document[key]) for key in ("mean", "std"))
        return cls(int(document["size_px"]), _triple(mean), _triple(std))


def _triple(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


def to_pixels(image: Image.Image, spec: PreprocessSpec) -> Pixels:
    """Return (size_px, size_px, 3) uint8 of an upright RGB image of any size."""
    return np.asarray(to_square(image, spec, *image.size), np.uint8)  # (S, S, 3) uint8


def to_square(image: Image.Image, spec: PreprocessSpec, width: float, height: float) -> Image.Image:
    """Return the centre of the picture that fills ``width`` x ``height`` pixels of an image from its top left corner.

    The square has ``size_px`` pixels a side.
    """
    size = (spec.size_px, spec.size_px)
    return image.resize(size, Image.Resampling.BICUBIC, box=centre_square(width, height))


def centre_square(width: float, height: float) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom, in pixels, of the part of an image that an encoder sees."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def frame_to_pixels(frame: Pixels, spec: PreprocessSpec) -> Pixels:
    """Return (size_px, size_px, 3) uint8 of a (H, W, 3) uint8 RGB frame."""
    return to_pixels(Image.fromarray(frame), spec)
