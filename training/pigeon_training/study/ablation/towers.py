"""The towers that the rows of an ablation stand on, and what they make of every photograph."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPVisionModel

from pigeon_edge.cli.console import progress
from pigeon_edge.files import replacing, replacing_folder
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow, Split
from pigeon_training.data.dataset import read_all_pixels
from pigeon_training.learning.contrast.batches import Batches, CaptionOf, captions_of_facts, read_ahead
from pigeon_training.learning.contrast.caption_facts import read_facts
from pigeon_training.learning.contrast.captions import CaptionStyle
from pigeon_training.learning.contrast.pretrain import PRETRAIN_PRESETS, ContrastSettings, new_optimizer, train
from pigeon_training.learning.heads.examples import Floats
from pigeon_training.model.clip_folder import CONFIG, Clip, load_clip, save_clip
from pigeon_training.model.geocell_model import embed_images, normalise, planes
from pigeon_training.planet.world import World
from pigeon_training.study.ablation.album import Album, Embedded
from pigeon_training.study.ablation.base_clip import describer, new_clip
from pigeon_training.study.ablation.contributions import Tower
from pigeon_training.study.ablation.settings import AblationSettings

CHUNK = 256


class Towers:
    """The towers of an ablation, each trained when it is first asked for, and their embeddings, kept in a folder."""

    def __init__(self, folder: Path, album: Album, world: World, settings: AblationSettings) -> None:
        self._folder = folder
        self._album = album
        self._world = world
        self._settings = settings

    @property
    def spec(self) -> PreprocessSpec:
        """How all of them want their pixels."""
        return self._base.spec

    def base_tower(self) -> CLIPVisionModel:
        """Return the base's vision tower, with weights of its own."""
        return copy.deepcopy(self._base.model.vision_model)

    def embedded(self, tower: Tower, seed: int) -> Embedded:
        """Return what a frozen tower makes of every photograph; the base is one for all seeds."""
        name = tower.value if tower is Tower.BASE else f"{tower.value} {seed}"
        file = self._folder / f"{name}.npz"
        if not file.exists():
            embedded = embed_album(self._frozen(tower, seed), self.spec, self._album)
            with replacing(file) as scratch:
                np.savez(scratch, allow_pickle=False, **{split.value: rows for split, rows in embedded.items()})
        with np.load(file) as arrays:
            return {split: arrays[split.value] for split in Split}

    @cached_property
    def _base(self) -> Clip:
        """Towers trained on what is to be seen in the training photographs."""
        folder = self._folder / "base"
        if not folder.exists():
            with replacing_folder(folder, CONFIG) as scratch:
                scratch.mkdir()
                save_clip(scratch, self._new_base())
        return load_clip(str(folder))

    def _new_base(self) -> Clip:
        describe, captions = describer(self._world, self._rows, seed=0), self._captions(seed=0)
        sentences = [*(describe(row, 0) for row in self._rows), *(captions(row, 0) for row in self._rows)]
        clip = new_clip(self._settings.tower, sentences, seed=0)
        return trained(clip, self._rows, describe, self._steps(self._settings.base_steps, seed=0))

    def _frozen(self, tower: Tower, seed: int) -> CLIPVisionModel:
        if tower is Tower.BASE:
            return self.base_tower()
        caption_of = (
            self._captions(seed) if tower is Tower.CONTRASTIVE else describer(self._world, self._rows, seed + 1)
        )
        clip = replace(self._base, model=copy.deepcopy(self._base.model))
        further = self._steps(self._settings.contrast_steps, seed)
        return trained(clip, self._rows, caption_of, further).model.vision_model

    @property
    def _rows(self) -> list[PhotoRow]:
        return self._album.rows[Split.TRAIN]

    def _captions(self, seed: int) -> CaptionOf:
        return captions_of_facts(read_facts(self._album.manifest), CaptionStyle.PIGEON, seed)

    def _steps(self, steps: int, seed: int) -> ContrastSettings:
        settings, preset = self._settings, PRETRAIN_PRESETS[CaptionStyle.PIGEON]
        batch, rate = settings.contrast_batch, settings.contrast_rate
        return replace(preset, learning_rate=rate, warmup=0.1, batch=batch, chunk=batch, steps=steps, seed=seed)


def trained(clip: Clip, rows: Sequence[PhotoRow], caption_of: CaptionOf, settings: ContrastSettings) -> Clip:
    """Train both towers in place; return them."""
    batches = Batches(rows, caption_of, clip.tokenizer, clip.spec, settings.batch, settings.seed)
    steps = progress(read_ahead(batches.at, 0, settings.steps), settings.steps, "batches of captions")
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
