"""The stages ``train search`` and ``train label``: photographs against captions of places, or against any labels.

Each photograph becomes one record:

source_id    the file
status       "located" of a search, "labelled" of labels, or "error"
location     lat, lon (degrees, datum WGS84) of the town                     } of a search
place        country_code, country, admin1, town                            }
probability  of a search: of country, admin1 and town, each among its rivals; of labels: of every label
error        one line; where status is "error"
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from pigeon_edge.answer.cells import posterior
from pigeon_edge.answer.encoding import unit
from pigeon_edge.errors import PigeonError, UsageError
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.preprocess import Pixels
from pigeon_training.learning.contrast.pretrain import image_embedding
from pigeon_training.model.clip_folder import Clip, load_clip
from pigeon_training.study.zero_shot.places import Town, most_populous, read_places
from pigeon_training.study.zero_shot.search import Floats, Found, embed_captions, embed_hierarchy, search

BATCH = 32

Record: TypeAlias = dict[str, Any]
Say: TypeAlias = Callable[[str], None]


def search_photographs(
    model: str, places: Path, per_country: int | None, photographs: Sequence[Path], say: Say
) -> Iterator[Record]:
    """Yield where photographs were taken among the towns of a table, by StreetCLIP's search down the hierarchy.

    Raises InputError where the model or the table cannot be read.
    """
    towns = read_places(places)
    if per_country:
        towns = most_populous(towns, per_country)
    clip = _load(model)
    say(f"pigeon-edge: embedding the captions of {len(towns):,} towns")
    hierarchy = embed_hierarchy(clip.model, clip.tokenizer, towns)
    for path, outcome in embedded(clip, photographs):
        if isinstance(outcome, PigeonError):
            yield _failed(path, outcome)
        else:
            yield _located(path, search(hierarchy, outcome[None], _logit_scale(clip)), towns)


def label_photographs(model: str, labels: Sequence[str], photographs: Sequence[Path]) -> Iterator[Record]:
    """Yield which of several labels fits each photograph. Raises UsageError for fewer than two different ones."""
    if len(set(labels)) < max(2, len(labels)):
        raise UsageError(f"expected two different labels or more, found {', '.join(map(repr, labels))}")
    clip = _load(model)
    captions = embed_captions(clip.model, clip.tokenizer, labels)  # (L, D)
    for path, outcome in embedded(clip, photographs):
        if isinstance(outcome, PigeonError):
            yield _failed(path, outcome)
        else:
            chances = posterior(_logit_scale(clip) * captions @ outcome, 1.0).round(4).tolist()
            probability = dict(zip(labels, chances, strict=True))
            yield {"source_id": str(path), "status": "labelled", "probability": probability}


def embedded(clip: Clip, photographs: Sequence[Path]) -> Iterator[tuple[Path, Floats | PigeonError]]:
    """Yield the unit embedding (D,) of each photograph in order, or why it cannot be read; a batch in memory."""

    def outcome_of(path: Path) -> Pixels | PigeonError:
        try:
            return read_pixels(path, clip.spec)
        except PigeonError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(photographs), BATCH):
            batch = photographs[start : start + BATCH]
            outcomes = list(pool.map(outcome_of, batch))
            decoded = [outcome for outcome in outcomes if not isinstance(outcome, PigeonError)]
            vectors = iter(_embedding(clip, np.stack(decoded)) if decoded else ())
            for path, outcome in zip(batch, outcomes, strict=True):
                yield path, outcome if isinstance(outcome, PigeonError) else next(vectors)


def _load(model: str) -> Clip:
    clip = load_clip(model)
    clip.model.to("cuda" if torch.cuda.is_available() else "cpu")
    return clip


def _logit_scale(clip: Clip) -> float:
    return float(clip.model.logit_scale.detach().exp())


def _embedding(clip: Clip, pixels: Pixels) -> Floats:
    with torch.inference_mode():
        return unit(image_embedding(clip.model, torch.from_numpy(pixels), clip.spec).float().cpu().numpy())


def _failed(path: Path, error: PigeonError) -> Record:
    return {"source_id": str(path), "status": "error", "error": str(error)}


def _located(path: Path, found: Found, towns: Sequence[Town]) -> Record:
    """Return the record of the only photograph of ``found``."""
    town = towns[int(found.town[0])]
    levels = {"country": found.country_chance, "admin1": found.region_chance, "town": found.town_chance}
    return {
        "source_id": str(path),
        "status": "located",
        "location": {"lat": town.lat, "lon": town.lng, "datum": "WGS84"},
        "place": {**vars(town.place), "town": town.name},
        "probability": {level: round(float(chance[0]), 4) for level, chance in levels.items()},
    }
