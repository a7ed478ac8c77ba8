"""A fitted model on disk: the tower in transformers' format, how it wants its pixels, and its heads.

``config.json, model.safetensors, preprocessor_config.json`` are transformers' own; ``heads.safetensors`` holds
``NAME.weight`` (size, D) and ``NAME.bias`` (size,) of each head; ``heads.json`` the scale of the regressions, null
where they are not trained, and in it null for a target that no training photograph knew; and the ids of the geocells,
null where they have none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.files import replacing_folder, write_json
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.settings import read_settings
from pigeon_training.data.tasks import RegressionScale
from pigeon_training.model.clip_folder import CONFIG, load_tower, quiet, read_spec
from pigeon_training.model.geocell_model import GeocellModel, Heads

HEADS, HEADS_NOTE = "heads.safetensors", "heads.json"


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A model, how it wants its pixels, the scale of its regressions and the ids of its cells, None for none."""

    model: GeocellModel
    spec: PreprocessSpec
    scale: RegressionScale | None
    cell_ids: tuple[str, ...] | None = None


def save_model(folder: Path, fitted: FittedModel) -> None:
    """Write a model, by rename."""
    with replacing_folder(folder, CONFIG) as scratch:
        fill(scratch, fitted)


def fill(folder: Path, fitted: FittedModel) -> None:
    """Write a model's files into a folder, which is made where it is not there."""
    with quiet():
        fitted.model.tower.save_pretrained(folder)
    size_px = fitted.spec.size_px
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": size_px},
        "crop_size": {"height": size_px, "width": size_px},
        "image_mean": fitted.spec.mean,
        "image_std": fitted.spec.std,
        "resample": 3,
    }
    write_json(folder / "preprocessor_config.json", processor)
    write_json(
        folder / HEADS_NOTE, {"scale": asdict(fitted.scale) if fitted.scale else None, "cell_ids": fitted.cell_ids}
    )
    heads = {name: tensor.detach().cpu().contiguous() for name, tensor in fitted.model.heads.state_dict().items()}
    save_file(heads, folder / HEADS)


def load_model(folder: Path) -> FittedModel:
    """Return a model in float32, ready to evaluate. Raises InputError where it is not there or not whole."""
    try:
        tensors = load_file(folder / HEADS)
        note = json.loads((folder / HEADS_NOTE).read_text(encoding="utf-8"))
        scale = _scale(note)
        tower = load_tower(str(folder))
        heads = heads_of_tensors(tensors)
        cell_ids = tuple(note["cell_ids"]) if note.get("cell_ids") else None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError, UsageError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{folder}: expected a fitted model, {reason}; make one with: pigeon-edge train fit"
        ) from error
    spec = read_spec(str(folder), tower.config.image_size)
    return FittedModel(GeocellModel(tower, heads).eval(), spec, scale, cell_ids)


def read_scale(folder: Path) -> RegressionScale | None:
    """Return the scale of a folder's regressions, None where it has none. Raises InputError on an unreadable file."""
    path = folder / HEADS_NOTE
    if not path.is_file():
        return None
    try:
        return _scale(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        raise InputError(f"{path}: expected the scale of the regressions, {error}; train the heads again") from error


def heads_of_tensors(tensors: Mapping[str, torch.Tensor]) -> Heads:
    """Return heads of their saved weights. Raises KeyError or RuntimeError where one is missing or of another shape."""
    sizes = {name.removesuffix(".bias"): len(tensor) for name, tensor in tensors.items() if name.endswith(".bias")}
    heads = Heads(tensors["cells.weight"].shape[1], sizes)
    heads.load_state_dict(dict(tensors))
    return heads


def _scale(note: Mapping[str, Any]) -> RegressionScale | None:
    return read_settings(RegressionScale, _tuples(note["scale"])) if note["scale"] else None


def _tuples(record: Mapping[str, object]) -> dict[str, object]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in dict(record).items()}
