"""The towers that the rows of an ablation stand on, and what they make of every photograph."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from transformers import CLIPVisionModel

from pigeon_edge.cli.console import progress
from pigeon_edge.photo_manifest import PhotoRow, Split
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_training.ablation.album import Album, Embedded
from pigeon_training.ablation.base_clip import describer, new_clip
from pigeon_training.ablation.contributions import Tower
from pigeon_training.ablation.settings import AblationSettings
from pigeon_training.caption_facts import read_facts
from pigeon_training.captions import CaptionStyle
from pigeon_training.clip_folder import Clip
from pigeon_training.contrast.batches import Batches, CaptionOf, captions_of_facts, read_ahead
from pigeon_training.contrast.pretrain import PRETRAIN_PRESETS, ContrastSettings, new_optimizer, train
from pigeon_training.dataset import read_all_pixels
from pigeon_training.head_examples import Floats
from pigeon_training.model import embed_images, normalise, planes
from pigeon_training.planet.world import World

CHUNK = 256


class Towers:
    """The towers of an ablation, each trained when it is first asked for."""

    def __init__(self, base: Clip, album: Album, world: World, settings: AblationSettings) -> None:
        self._base = base
        self._album = album
        self._world = world
        self._settings = settings
        self._found: dict[tuple[Tower, int], Embedded] = {}

    @property
    def spec(self) -> PreprocessSpec:
        """How all of them want their pixels."""
        return self._base.spec

    def base_tower(self) -> CLIPVisionModel:
        """Return the base's vision tower, with weights of its own."""
        return copy.deepcopy(self._base.model.vision_model)

    def embedded(self, tower: Tower, seed: int) -> Embedded:
        """Return what a frozen tower makes of every photograph; the base is one for all seeds."""
        key = (tower, 0 if tower is Tower.BASE else seed)
        if key not in self._found:
            self._found[key] = embed_album(self._frozen(tower, seed), self.spec, self._album)
        return self._found[key]

    def _frozen(self, tower: Tower, seed: int) -> CLIPVisionModel:
        if tower is Tower.BASE:
            return self.base_tower()
        if tower is Tower.CONTRASTIVE:
            return contrastive_clip(self._base, self._album, self._settings, seed).model.vision_model
        return longer_base(self._base, self._album, self._world, self._settings, seed).model.vision_model


def base_clip(album: Album, world: World, settings: AblationSettings) -> Clip:
    """Return towers trained on what is to be seen in the training photographs."""
    rows = album.rows[Split.TRAIN]
    describe, captions = describer(world, rows, seed=0), _captions(album, seed=0)
    sentences = [*(describe(row, 0) for row in rows), *(captions(row, 0) for row in rows)]
    clip = new_clip(settings.tower, sentences, seed=0)
    steps = _steps(settings.base_steps, settings.base_rate, settings.contrast_batch, seed=0)
    return trained(clip, rows, describe, steps)


def contrastive_clip(base: Clip, album: Album, settings: AblationSettings, seed: int) -> Clip:
    """Return towers trained further on PIGEON's captions."""
    steps = _steps(settings.contrast_steps, settings.contrast_rate, settings.contrast_batch, seed)
    return trained(_copied(base), album.rows[Split.TRAIN], _captions(album, seed), steps)


def longer_base(base: Clip, album: Album, world: World, settings: AblationSettings, seed: int) -> Clip:
    """Return towers trained further on descriptions, for as many steps as the contrastive ones: their control."""
    rows = album.rows[Split.TRAIN]
    steps = _steps(settings.contrast_steps, settings.contrast_rate, settings.contrast_batch, seed)
    return trained(_copied(base), rows, describer(world, rows, seed + 1), steps)


def trained(clip: Clip, rows: Sequence[PhotoRow], caption_of: CaptionOf, settings: ContrastSettings) -> Clip:
    """Train both towers in place; return them."""
    batches = Batches(rows, caption_of, clip.tokenizer, clip.spec, settings.batch, settings.seed)
    steps = progress(read_ahead(batches.at, 0, settings.steps), settings.steps, "steps")
    train(clip.model, new_optimizer(clip.model, settings), steps, settings, lambda _: None)
    return clip


def embed_album(tower: CLIPVisionModel, spec: PreprocessSpec, album: Album) -> Embedded:
    """Return the embedding of every photograph."""
    return {split: _embed(tower, spec, rows) for split, rows in album.rows.items()}


def _embed(tower: CLIPVisionModel, spec: PreprocessSpec, rows: Sequence[PhotoRow]) -> Floats:
    chunks = []
    with torch.inference_mode():
        for start in range(0, len(rows), CHUNK):
            pixels = torch.from_numpy(read_all_pixels(rows[start : start + CHUNK], spec))
            chunks.append(embed_images(tower, normalise(planes(pixels), spec)).numpy())
    return np.concatenate(chunks)


def _captions(album: Album, seed: int) -> CaptionOf:
    return captions_of_facts(read_facts(album.manifest), CaptionStyle.PIGEON, seed)


def _copied(clip: Clip) -> Clip:
    return replace(clip, model=copy.deepcopy(clip.model))


def _steps(steps: int, rate: float, batch: int, seed: int) -> ContrastSettings:
    preset = PRETRAIN_PRESETS[CaptionStyle.PIGEON]
    return replace(preset, learning_rate=rate, warmup=0.1, batch=batch, chunk=batch, steps=steps, seed=seed)
