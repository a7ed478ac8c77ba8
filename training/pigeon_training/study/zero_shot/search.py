"""Captions as a classifier: StreetCLIP's hierarchical search, country, then region, then town (arXiv 2302.00275).

A photograph is compared with a caption per country; then with a caption per region of the best country; then with a
caption per town of the best region. The captions are embedded once. Where the towns of a country have no region, they
are one nameless region of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from transformers import CLIPModel, CLIPTokenizer

from pigeon_edge.answer.encoding import unit
from pigeon_training.learning.contrast.batches import tokenise
from pigeon_training.learning.contrast.captions import CaptionStyle, place_caption
from pigeon_training.learning.contrast.pretrain import text_embedding
from pigeon_training.study.zero_shot.places import Town

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

CHUNK = 256


@dataclass(frozen=True)
class Hierarchy:
    """Unit embeddings of captions of countries (A, D), regions (B, D), towns (C, D), and who belongs to whom.

    ``country_of_region`` (B,) and ``region_of_town`` (C,) are rows of the level above.
    """

    country: Floats
    region: Floats
    town: Floats
    country_of_region: Ids
    region_of_town: Ids


@dataclass(frozen=True)
class Found:
    """Of N photographs: the rows (N,) of country, region and town, and the chance (N,) of each among its rivals."""

    country: Ids
    region: Ids
    town: Ids
    country_chance: Floats
    region_chance: Floats
    town_chance: Floats


def town_captions(towns: Sequence[Town]) -> list[str]:
    """Return StreetCLIP's caption of each town."""
    return [place_caption(town.name, town.admin1, town.country, CaptionStyle.STREETCLIP) for town in towns]


def embed_captions(model: CLIPModel, tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Floats:
    """Return the unit embeddings (N, D) of captions."""
    starts = range(0, len(captions), CHUNK)
    with torch.inference_mode():
        parts = [text_embedding(model, tokenise(tokenizer, captions[start : start + CHUNK])) for start in starts]
    return unit(torch.cat(parts).float().cpu().numpy())


def embed_hierarchy(model: CLIPModel, tokenizer: CLIPTokenizer, towns: Sequence[Town]) -> Hierarchy:
    """Return the captions of towns, their regions and their countries, embedded; rows in order of first mention."""
    countries = list(dict.fromkeys(town.country for town in towns))
    regions = list(dict.fromkeys((town.country, town.admin1) for town in towns))
    row_of_region = {region: row for row, region in enumerate(regions)}
    captions = (
        [place_caption("", "", country, CaptionStyle.STREETCLIP) for country in countries],
        [place_caption("", admin1, country, CaptionStyle.STREETCLIP) for country, admin1 in regions],
        town_captions(towns),
    )
    country, region, town = (embed_captions(model, tokenizer, level) for level in captions)
    return Hierarchy(
        country,
        region,
        town,
        country_of_region=np.array([countries.index(country) for country, _ in regions], np.int64),
        region_of_town=np.array([row_of_region[town.country, town.admin1] for town in towns], np.int64),
    )


def search(hierarchy: Hierarchy, embedding: Floats, logit_scale: float) -> Found:
    """Return where photographs with unit embeddings (N, D) were taken; logits are ``logit_scale`` times cosines."""
    scaled = np.float32(logit_scale) * embedding
    country, country_chance = _best(_logits(scaled, hierarchy.country))
    regions = _logits(scaled, hierarchy.region)  # (N, B)
    region, region_chance = _best(_among(regions, hierarchy.country_of_region == country[:, None]))
    towns = _logits(scaled, hierarchy.town)  # (N, C)
    town, town_chance = _best(_among(towns, hierarchy.region_of_town == region[:, None]))
    return Found(country, region, town, country_chance, region_chance, town_chance)


def _logits(scaled: Floats, captions: Floats) -> Floats:
    return np.asarray(scaled @ captions.T, np.float32)


def _among(logits: Floats, allowed: npt.NDArray[np.bool_]) -> Floats:
    return np.where(allowed, logits, np.float32(-np.inf))


def _best(logits: Floats) -> tuple[Ids, Floats]:
    """Return the best column of each row, and its softmax."""
    best = logits.argmax(axis=1)
    top = logits.max(axis=1, keepdims=True)
    return best, np.asarray(1 / np.exp(logits - top).sum(axis=1), np.float32)
