"""A vision tower as transformers saves it: the model, how it wants its pixels, and the heads fitted on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file
from transformers import CLIPVisionModel

from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.model import clip_folder
from pigeon_training.model.clip_folder import load_tower

__all__ = ["HeadArrays", "load_tower", "read_heads", "read_spec"]

HEADS_FILE = "heads.safetensors"

HeadArrays: TypeAlias = Mapping[str, npt.NDArray[np.float32]]


def read_heads(folder: Path) -> dict[str, npt.NDArray[np.float32]] | None:
    """Return the heads saved beside a tower, None where there are none. Raises InputError on an unreadable file.

    ``cells.weight`` is (C, D), ``cells.bias`` is (C,).
    """
    path = folder / HEADS_FILE
    if not path.is_file():
        return None
    try:
        heads = {name: np.asarray(values, np.float32) for name, values in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: expected the heads of a model in safetensors format, {error}") from error
    if not {"cells.weight", "cells.bias"} <= set(heads):
        raise InputError(f"{path}: expected cells.weight and cells.bias, found {sorted(heads)}; fit the heads again")
    return heads


def read_spec(model: str, tower: CLIPVisionModel) -> PreprocessSpec:
    """Return how a tower wants its pixels. Raises InputError where its image processor cannot be followed."""
    return clip_folder.read_spec(model, tower.config.image_size)
