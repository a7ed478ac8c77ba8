"""Which contrastive loss, over how many photographs: small towers from nothing on the planet's captions."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tests.bench.table import Table
from torch.nn import functional

from pigeon_edge.manifest import Split
from pigeon_training.data.dataset import read_split
from pigeon_training.learning.contrast.batches import Batch, Batches, captions_of_facts
from pigeon_training.learning.contrast.captions import CaptionStyle
from pigeon_training.learning.contrast.loss import MAX_LOG_SCALE, Side, cached_backward, info_nce
from pigeon_training.learning.contrast.pretrain import (
    PRETRAIN_PRESETS,
    ContrastSettings,
    image_embedding,
    learning_rate,
    new_optimizer,
    text_embedding,
)
from pigeon_training.learning.contrast.probe import probe
from pigeon_training.model.clip_folder import Clip, load_clip
from pigeon_training.planet.album import render_album
from pigeon_training.testing import TINY_SIZE_PX, write_tiny_clip

PLACES, PHOTOGRAPHS_SEEN, CHUNK = 1000, 38_400, 32
BATCH, RATE = 256, 2e-3
SEEDS = (0, 1)

LossOf = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
Loss = Callable[[Clip, torch.Tensor, Batch], LossOf]


def contrast_table() -> Table:
    """Train with each loss for as many steps on as many photographs, and probe places never seen."""
    ways: dict[str, Loss] = {
        "InfoNCE, 8 x 32 accumulated: 31 negatives": _accumulated,
        "InfoNCE, 256 cached: 255 negatives": _info_nce,
        "sigmoid, 256 cached: 255 negatives": _sigmoid,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        render_album(folder / "planet", PLACES, 7, TINY_SIZE_PX)
        rows = [_row(folder, way, loss) for way, loss in ways.items()]
    return Table(
        "Contrastive losses",
        f"Tiny towers of random weights, {PHOTOGRAPHS_SEEN // BATCH} steps of {BATCH} photographs of {PLACES} places "
        f"of the planet at a rate of {RATE:g}, captions of country and region; photographs of other places that find "
        "their caption, mean and deviation of two seeds.",
        ("loss", "% find caption", "+-"),
        tuple(rows),
    )


def _row(folder: Path, way: str, loss: Loss) -> tuple[str | float, ...]:
    base = PRETRAIN_PRESETS[CaptionStyle.STREETCLIP]
    settings = replace(base, learning_rate=RATE, warmup=0.1, batch=BATCH, chunk=CHUNK, steps=PHOTOGRAPHS_SEEN // BATCH)
    shares = [100 * _trained(folder, replace(settings, seed=seed), loss) for seed in SEEDS]
    return way, float(np.mean(shares)), float(np.std(shares))


def _trained(folder: Path, settings: ContrastSettings, loss: Loss) -> float:
    """Return the share of held-out photographs that find their caption after training."""
    clip = load_clip(str(write_tiny_clip(folder / "clip", seed=settings.seed)))
    manifest = folder / "planet" / "manifest.csv"
    rows = read_split(manifest, Split.TRAIN)
    caption_of = captions_of_facts({}, settings.style, settings.seed)
    batches = Batches(rows, caption_of, clip.tokenizer, clip.spec, settings.batch, settings.seed)
    optimizer = new_optimizer(clip.model, settings)
    bias = torch.nn.Parameter(torch.tensor(-10.0))
    optimizer.add_param_group({"params": [bias], "weight_decay": 0.0})
    held = batches.of(rows, 0)  # StreetCLIP's captions are the same in every epoch
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, step)
        optimizer.zero_grad(set_to_none=True)
        _backward(clip, _at(held, settings, step), loss, bias, settings.chunk)
        torch.nn.utils.clip_grad_norm_(clip.model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            clip.model.logit_scale.clamp_(0.0, MAX_LOG_SCALE)
    return probe(clip, batches, read_split(manifest, Split.TEST), CHUNK).image_to_text


def _at(held: Batch, settings: ContrastSettings, step: int) -> Batch:
    """Return the batch of a step, as ``Batches.at`` chooses it, of photographs that are in memory."""
    epoch, place = divmod(step, len(held.pixels) // settings.batch)
    order = np.random.default_rng((settings.seed, epoch)).permutation(len(held.pixels))
    rows = torch.from_numpy(order[place * settings.batch : (place + 1) * settings.batch])
    return replace(held, pixels=held.pixels[rows], tokens=held.tokens[rows], twins=held.twins[rows][:, rows])


def _backward(clip: Clip, batch: Batch, loss: Loss, bias: torch.Tensor, chunk: int) -> None:
    model = clip.model
    cached_backward(
        Side(lambda pixels: image_embedding(model, pixels, batch.spec), batch.pixels.split(chunk)),
        Side(lambda tokens: text_embedding(model, tokens), batch.tokens.split(chunk)),
        loss(clip, bias, batch),
    )


def _info_nce(clip: Clip, bias: torch.Tensor, batch: Batch) -> LossOf:
    return lambda image, text: info_nce(image, text, clip.model.logit_scale, batch.twins)


def _accumulated(clip: Clip, bias: torch.Tensor, batch: Batch) -> LossOf:
    """What accumulating the gradients of chunks amounts to: photographs of other chunks are no negatives."""
    chunk = torch.arange(len(batch.twins)) // CHUNK
    apart = chunk[:, None] != chunk[None, :]
    return lambda image, text: info_nce(image, text, clip.model.logit_scale, batch.twins | apart)


def _sigmoid(clip: Clip, bias: torch.Tensor, batch: Batch) -> LossOf:
    """Every pair a yes or a no by itself (Zhai et al. 2023, SigLIP); pairs of equal captions of others are left out."""

    def loss(image: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = clip.model.logit_scale.exp()
        logits = scale * functional.normalize(image, dim=1) @ functional.normalize(text, dim=1).T + bias
        own = torch.eye(len(logits), dtype=torch.bool)
        signed = torch.where(own, logits, -logits).masked_fill(batch.twins & ~own, math.inf)
        return -functional.logsigmoid(signed).sum() / len(logits), torch.zeros(())

    return loss
