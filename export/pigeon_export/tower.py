"""A vision tower as transformers saves it: the model, how it wants its pixels, and the heads fitted on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import transformers
from safetensors import SafetensorError
from safetensors.numpy import load_file
from transformers import CLIPVisionModel
from transformers.utils import cached_file

from pigeon_edge.errors import InputError
from pigeon_edge.preprocess import CLIP_MEAN, CLIP_STD, PreprocessSpec

HEADS_FILE = "heads.safetensors"

Heads: TypeAlias = Mapping[str, npt.NDArray[np.float32]]

_MODEL_TYPES = frozenset({"clip", "clip_vision_model"})


def load_tower(model: str) -> CLIPVisionModel:
    """Return the float32 vision tower of a CLIPVisionModel or CLIPModel saved by transformers.

    ``model`` is a folder, or the id of a model on the Hugging Face hub. Raises InputError where it is neither.
    """
    try:
        with _quiet():
            config = transformers.AutoConfig.from_pretrained(model)
            if config.model_type not in _MODEL_TYPES:
                raise InputError(f"{model}: expected a CLIP model, found {config.model_type!r}; name another one")
            tower, report = CLIPVisionModel.from_pretrained(model, output_loading_info=True)
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
    """Return how a model wants its pixels: as its image processor says, else CLIP's way at the tower's size.

    Raises InputError where the processor does something that the specification cannot express.
    """
    document = _processor(model)
    if not document:
        return PreprocessSpec(tower.config.image_size)
    crop = _side_px(document.get("crop_size", document.get("size")))
    resized = _side_px(document.get("size", crop))
    if not crop == resized == tower.config.image_size:
        raise InputError(
            f"{model}: expected an image processor that resizes and crops to the tower's {tower.config.image_size} px, "
            f"found a resize to {resized} and a crop of {crop}; mend its preprocessor_config.json"
        )
    mean, std = document.get("image_mean", CLIP_MEAN), document.get("image_std", CLIP_STD)
    return PreprocessSpec.from_json({"size_px": crop, "mean": mean, "std": std})


def _processor(model: str) -> dict[str, Any]:
    """Return an image processor's settings: nested in a processor's, as transformers 5 writes them, or alone."""
    nested = _document(model, "processor_config.json").get("image_processor")
    return dict(nested) if nested else _document(model, "preprocessor_config.json")


def _document(model: str, filename: str) -> dict[str, Any]:
    """Return a JSON object of a folder or hub id, empty where it has no such file."""
    try:
        path = cached_file(model, filename, _raise_exceptions_for_missing_entries=False)
        return {} if path is None else dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{model}: expected a JSON object in {filename}, {reason}; mend or remove it") from error


def _side_px(size: Any) -> int:
    """Return the side of a size given as an int or under one of transformers' names."""
    if isinstance(size, dict):
        sides = {size[key] for key in ("shortest_edge", "height", "width") if key in size}
        size = sides.pop() if len(sides) == 1 else None
    if not isinstance(size, int):
        raise InputError(f"expected an image processor of one square size, found {size!r}; mend its settings")
    return size


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and its list of unused text weights off the terminal."""
    logging = transformers.utils.logging
    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
