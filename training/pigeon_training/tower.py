"""A vision tower as transformers saves it: the model, how it wants its pixels, and the heads fitted on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import transformers
from safetensors import SafetensorError
from safetensors.numpy import load_file
from transformers import CLIPVisionModel

from pigeon_edge.errors import InputError
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_training import clip_folder

HEADS_FILE = "heads.safetensors"

Heads: TypeAlias = Mapping[str, npt.NDArray[np.float32]]

_MODEL_TYPES = frozenset({"clip", "clip_vision_model"})


def load_tower(model: str, attention: str | None = None) -> CLIPVisionModel:
    """Return the float32 vision tower of a CLIPVisionModel or CLIPModel saved by transformers.

    ``model`` is a folder, or the id of a model on the Hugging Face hub. ``attention`` is how transformers computes it:
    fused where it is not named, "eager" to see its weights. Raises InputError where the model is neither.
    """
    try:
        with clip_folder.quiet():
            config = transformers.AutoConfig.from_pretrained(model)
            if config.model_type not in _MODEL_TYPES:
                raise InputError(f"{model}: expected a CLIP model, found {config.model_type!r}; name another one")
            tower, report = CLIPVisionModel.from_pretrained(
                model, attn_implementation=attention, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{model}: expected a CLIP folder or hub id that transformers can load, {reason}") from error
    if report["missing_keys"]:
        raise InputError(f"{model}: the weights lack {min(report['missing_keys'])}; save the model again")
    return tower.float().eval()


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
