"""A CLIP model as transformers saves it: both towers, the tokenizer, and how it wants its pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import CLIPModel, CLIPTokenizer, CLIPVisionModel
from transformers.utils import cached_file

from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import CLIP_MEAN, CLIP_STD, PreprocessSpec

CONFIG = "config.json"
"""A folder with it is one that transformers' save_pretrained wrote."""

_LOADING_ERRORS = (OSError, ValueError, TypeError, RuntimeError, SafetensorError, StrictDataclassError)


@dataclass(frozen=True)
class Clip:
    """Both towers in float32, the tokenizer of the text tower, and the preprocessing of the vision tower."""

    model: CLIPModel
    tokenizer: CLIPTokenizer
    spec: PreprocessSpec


def load_clip(model: str) -> Clip:
    """Return the CLIP model of a folder, or of an id of the Hugging Face hub, with its tokenizer.

    Raises InputError where it is neither, or lacks weights or the tokenizer's files.
    """
    towers = load_towers(model)
    try:
        with quiet():
            tokenizer = CLIPTokenizer.from_pretrained(model)
    except _LOADING_ERRORS as error:
        raise InputError(f"{model}: expected the files of a CLIP tokenizer, {_one_line(error)}") from error
    _check_vocabulary(model, len(tokenizer), towers.config.text_config.vocab_size)
    return Clip(towers, tokenizer, read_spec(model, towers.config.vision_config.image_size))


def load_towers(model: str) -> CLIPModel:
    """Return both towers in float32, without a tokenizer. Raises InputError as ``load_clip``."""
    _check_folder(model)
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(model)
            if config.model_type != "clip":
                raise InputError(f"{model}: expected a CLIP model with both towers, found {config.model_type!r}")
            towers, report = CLIPModel.from_pretrained(model, output_loading_info=True)
    except _LOADING_ERRORS as error:
        raise _unloadable(model, error) from error
    if report["missing_keys"]:
        raise InputError(f"{model}: the weights lack {min(report['missing_keys'])}; save the model again")
    return towers.float().eval()


def load_tower(model: str, attention: str | None = None) -> CLIPVisionModel:
    """Return the float32 vision tower of a CLIPVisionModel or CLIPModel saved by transformers.

    ``model`` is a folder, or the id of a model on the Hugging Face hub. ``attention`` is how transformers computes it:
    fused where it is not named, "eager" to see its weights. Raises InputError where the model is neither.
    """
    _check_folder(model)
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(model)
            if config.model_type not in {"clip", "clip_vision_model"}:
                raise InputError(
                    f"{model}: expected a CLIP model with a vision tower, found {config.model_type!r}; name another one"
                )
            tower, report = CLIPVisionModel.from_pretrained(
                model, attn_implementation=attention, output_loading_info=True
            )
    except _LOADING_ERRORS as error:
        raise _unloadable(model, error) from error
    if report["missing_keys"]:
        raise InputError(f"{model}: the weights lack {min(report['missing_keys'])}; save the model again")
    return tower.float().eval()


def save_clip(folder: Path, clip: Clip) -> None:
    """Write the model, its tokenizer and its preprocessing into an existing folder, in transformers' format."""
    with quiet():
        clip.model.save_pretrained(folder)
        clip.tokenizer.save_pretrained(folder)
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": clip.spec.size_px},
        "crop_size": {"height": clip.spec.size_px, "width": clip.spec.size_px},
        "image_mean": clip.spec.mean,
        "image_std": clip.spec.std,
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1) + "\n", encoding="utf-8")


def read_spec(model: str, size_px: int) -> PreprocessSpec:
    """Return how a model with images of ``size_px`` wants its pixels: as its image processor says, else CLIP's way.

    Raises InputError where the processor does something that the specification cannot express.
    """
    document = _processor(model)
    if not document:
        return PreprocessSpec(size_px)
    crop = _side_px(document.get("crop_size", document.get("size")))
    resized = _side_px(document.get("size", crop))
    if not crop == resized == size_px:
        raise InputError(
            f"{model}: expected an image processor that resizes and crops to the tower's {size_px} px, "
            f"found a resize to {resized} and a crop of {crop}; mend its preprocessor_config.json"
        )
    mean, std = document.get("image_mean", CLIP_MEAN), document.get("image_std", CLIP_STD)
    return PreprocessSpec.from_json({"size_px": crop, "mean": mean, "std": std})


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars and its list of unused weights off the terminal."""
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


def _check_folder(model: str) -> None:
    """Refuse the path of a folder that is not there: the hub would be asked for it, again and again, for half a minute.

    An id of the hub is ``organisation/name``. A path is anything else, and what lies in a folder that is there.
    """
    path = Path(model)
    is_id = len(path.parts) == 2 and not model.startswith((".", "~", "/")) and not path.parent.is_dir()
    if not path.exists() and not is_id:
        raise InputError(f"{model}: expected a CLIP folder or hub id, found no such folder; check the path")
    if path.is_file():
        raise InputError(f"{model}: expected a CLIP folder or hub id, found a file; give the folder that it lies in")
    if path.is_dir() and not (path / CONFIG).is_file():
        raise InputError(
            f"{model}: expected a folder that transformers' save_pretrained wrote, found no config.json in it; "
            "give another folder, or save the model again"
        )


def _unloadable(model: str, error: Exception) -> InputError:
    """Return what to tell of a folder or hub id that transformers cannot load."""
    reason = _one_line(error)
    if not Path(model).exists():
        advice = "fetch it where there is a network and give its folder"
        reason = reason.split(". ")[0]
    elif "ignore_mismatched_sizes" in reason:
        reason, advice = "found weights of other shapes than its config.json says", "save the model again"
    else:
        advice = "copy or save the model again"
    return InputError(
        f"{model}: expected a CLIP folder or hub id that transformers can load, {reason.rstrip('.')}; {advice}"
    )


def _check_vocabulary(model: str, tokens: int, rows: int) -> None:
    """A folder without the tokenizer's files yields one of three tokens, a foreign one more tokens than rows."""
    if not 3 < tokens <= rows:
        raise InputError(
            f"{model}: expected the files of its tokenizer, of up to {rows} tokens, found one of {tokens}; "
            "copy vocab.json and merges.txt, or tokenizer.json, beside the weights"
        )


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
        reason = _one_line(error)
        raise InputError(f"{model}: expected a JSON object in {filename}, {reason}; mend or remove it") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _side_px(size: Any) -> int:
    """Return the side of a size given as an int or under one of transformers' names."""
    if isinstance(size, dict):
        sides = {size[key] for key in ("shortest_edge", "height", "width") if key in size}
        size = sides.pop() if len(sides) == 1 else None
    if not isinstance(size, int):
        raise InputError(f"expected an image processor of one square size, found {size!r}; mend its settings")
    return size
