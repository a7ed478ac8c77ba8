"""A CLIP model of the planet: what OpenAI's CLIP is to PIGEON. It knows what things look like, not where they are."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPConfig, CLIPModel

from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow
from pigeon_training.learning.contrast.batches import CaptionOf
from pigeon_training.model.clip_folder import Clip
from pigeon_training.model.geocell_model import vision_config
from pigeon_training.planet.descriptions import description
from pigeon_training.planet.scene import Scene
from pigeon_training.planet.world import World
from pigeon_training.presets import TowerPreset
from pigeon_training.study.ablation.words import byte_pairs, words_of
from pigeon_training.testing import byte_tokenizer

MERGES = 1000
"""Byte pairs at most; the descriptions and the captions have some hundreds of words."""

TEXT_TOWER = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3}
PROJECTION = 64
CONTEXT_TOKENS = 77


def new_clip(tower: TowerPreset, sentences: Sequence[str], seed: int) -> Clip:
    """Return a CLIP model with random weights, and a tokenizer that knows the words of some sentences."""
    with tempfile.TemporaryDirectory() as folder:
        words = words_of(byte_tokenizer(Path(folder)), sentences)
        tokenizer = byte_tokenizer(Path(folder), byte_pairs(words, MERGES))
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**TEXT_TOWER, **special, "pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer)}
    text["max_position_embeddings"] = CONTEXT_TOKENS
    torch.manual_seed(seed)
    config = CLIPConfig(
        text_config=text,
        vision_config=vision_config(tower).to_dict(),
        projection_dim=PROJECTION,
        attn_implementation="eager",
    )
    return Clip(CLIPModel(config).eval(), tokenizer, PreprocessSpec(tower.image_size_px))


def describer(world: World, rows: Sequence[PhotoRow], seed: int) -> CaptionOf:
    """Return what describes the photographs of rows, in other words every epoch."""
    scenes = {row.path: _scene(world, row) for row in rows}
    number = {row.path: index for index, row in enumerate(rows)}
    return lambda row, epoch: description(scenes[row.path], np.random.default_rng((seed, epoch, number[row.path])))


def _scene(world: World, row: PhotoRow) -> Scene:
    return world.describe((row.lat, row.lng), row.month or 1, row.heading_deg or 0.0)
