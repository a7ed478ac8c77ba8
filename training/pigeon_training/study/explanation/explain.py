"""The stage ``train explain``: why a model, or a bundle, says a geocell of a photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pigeon_edge.answer.cells import posterior
from pigeon_edge.answer.encoding import unit
from pigeon_edge.answer.estimate import Place
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.files import replacing
from pigeon_edge.images.photograph import read_pixels, read_rgb
from pigeon_edge.locator import Locator
from pigeon_training.cells.store import read_cells
from pigeon_training.model.exported_tower import load_tower, read_heads, read_spec
from pigeon_training.model.geocell_model import GeocellModel, geocell_model, normalise, planes
from pigeon_training.study.explanation.attribution import attention_attribution, occlusion_attribution
from pigeon_training.study.explanation.heat_map import draw_heat_map

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Shares (P, P) of sum 1 of what the model sees, and what they are shares in, in words.

    ``covered`` (0..1] is the part of the crop's side that the patches fill.
    """

    shares: Floats
    covered: float
    caption: str


def explain_bundle(locator: Locator, image: Path, cell: int | None) -> Explanation:
    """Explain a cell, else the most probable one, of what ships, by occlusion. Raises InputError or UsageError."""
    pixels = read_pixels(image, locator.preprocess)
    logits = locator.encoder.encode(pixels[None]).cell_logits
    chances = posterior(logits, locator.confidence.temperature)[0]
    chosen = _chosen(cell, chances)
    shares = occlusion_attribution(locator.encoder, pixels, chosen)
    return Explanation(shares, 1.0, _caption(chosen, chances, locator.cells.places))


def explain_model(model: str, cells: Path | None, image: Path, cell: int | None) -> Explanation:
    """Explain a cell, else the most probable one, of a model as ``train fit`` writes it, by attention.

    ``cells`` are its geocells, for their names. A CLIP model without geocells is explained in its embedding.
    Raises InputError or UsageError.
    """
    tower = load_tower(model, attention="eager")
    spec, heads = read_spec(model, tower), read_heads(Path(model))
    images = normalise(planes(torch.from_numpy(np.stack([read_pixels(image, spec)]))), spec)  # (1, 3, S, S)
    if heads is None:
        fitted = _similarity_model(tower, images)
    else:
        fitted = geocell_model(tower, heads["cells.weight"], heads["cells.bias"])
    with torch.inference_mode():
        logits = fitted(images)[1]["cells"].numpy()
    chances = posterior(logits, 1.0)[0]
    chosen = 0 if heads is None and cell is None else _chosen(cell, chances)
    shares = attention_attribution(fitted, images, torch.tensor([chosen]))[0]
    covered = len(shares) * tower.config.patch_size / tower.config.image_size
    places = _places(cells, len(chances)) if cells else ()
    return Explanation(shares, covered, "embedding" if heads is None else _caption(chosen, chances, places))


def write_explanation(out: Path, image: Path, explanation: Explanation) -> None:
    """Draw an explanation over its photograph, as PNG or by the name's ending. Raises UsageError for an unknown one."""
    picture = draw_heat_map(read_rgb(image), explanation.shares, explanation.covered, explanation.caption)
    try:
        with replacing(out) as scratch:
            picture.save(scratch)
    except ValueError as error:
        raise UsageError(f"{out}: expected a picture's name, such as why.png, {error}") from error


def _similarity_model(tower: torch.nn.Module, images: torch.Tensor) -> GeocellModel:
    """Return a tower whose first cell is the photograph's own embedding, the second nothing.

    What makes an embedding like itself is what it is made of.
    """
    with torch.inference_mode():
        embedding = tower(pixel_values=images).last_hidden_state.mean(dim=1).numpy()  # (1, D)
    weight = np.concatenate([unit(embedding), np.zeros_like(embedding)])
    return geocell_model(tower, weight, np.zeros(2, np.float32))


def _chosen(cell: int | None, chances: npt.NDArray[np.float64]) -> int:
    if cell is None:
        return int(chances.argmax())
    if cell >= len(chances):
        raise UsageError(f"--cell {cell}: expected one of the cells 0 to {len(chances) - 1}")
    return cell


def _caption(cell: int, chances: npt.NDArray[np.float64], places: Sequence[Place]) -> str:
    name = str(places[cell]) if places else ""
    return f"{name or f'cell {cell}'}: {chances[cell]:.1%}"


def _places(cells: Path, count: int) -> list[Place]:
    places = [cell.place for cell in read_cells(cells).cells]
    if len(places) != count:
        raise InputError(f"{cells}: expected the {count} geocells of the model, found {len(places)}; name its own")
    return places
