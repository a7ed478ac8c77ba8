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

from pigeon_edge.photo_manifest import Split
from pigeon_training.captions import CaptionStyle
from pigeon_training.clip_folder import Clip, load_clip
from pigeon_training.contrast import (
    PRETRAIN_PRESETS,
    ContrastSettings,
    image_embedding,
    learning_rate,
    new_optimizer,
    text_embedding,
)
from pigeon_training.contrast_batches import Batch, Batches
from pigeon_training.contrast_loss import MAX_LOG_SCALE, Side, cached_backward, info_nce
from pigeon_training.contrast_probe import probe
from pigeon_training.dataset import read_split
from pigeon_training.planet.album import render_album
from pigeon_training.testing import TINY_SIZE_PX, write_tiny_clip

PLACES, PHOTOGRAPHS_SEEN, CHUNK = 400, 20_480, 32
RATES = (3e-4, 1e-3, 3e-3)
SEEDS = (0, 1, 2)

LossOf = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
Loss = Callable[[Clip, torch.Tensor, Batch], LossOf]


def contrast_table() -> Table:
    """Train with each loss on as many photographs, at the best of three rates, and probe places never seen."""
    ways: dict[str, tuple[Loss, int]] = {
        "InfoNCE, 31 negatives": (_info_nce, 32),
        "InfoNCE, 255 negatives, cached": (_info_nce, 256),
        "sigmoid, 31 negatives": (_sigmoid, 32),
        "sigmoid, 255 negatives, cached": (_sigmoid, 256),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        render_album(folder / "planet", PLACES, 7, TINY_SIZE_PX)
        rows = [_best_row(folder, way, loss, batch) for way, (loss, batch) in ways.items()]
    return Table(
        "Contrastive losses",
        f"Tiny towers of random weights, {PHOTOGRAPHS_SEEN:,} photographs of {PLACES} places of the planet seen, with "
        "captions of country and region; photographs of other places that find their caption, mean of three seeds.",
        ("loss", "steps", "best rate", "% find caption", "+-"),
        tuple(rows),
    )


def _best_row(folder: Path, way: str, loss: Loss, batch: int) -> tuple[str | float, ...]:
    steps = PHOTOGRAPHS_SEEN // batch
    found = []
    for rate in RATES:
        base = PRETRAIN_PRESETS[CaptionStyle.STREETCLIP]
        settings = replace(base, learning_rate=rate, warmup=0.1, batch=batch, chunk=CHUNK, steps=steps)
        shares = [100 * _trained(folder, replace(settings, seed=seed), loss) for seed in SEEDS]
        found.append((float(np.mean(shares)), float(np.std(shares)), rate))
    mean, spread, rate = max(found)
    return way, steps, f"{rate:g}", mean, spread


def _trained(folder: Path, settings: ContrastSettings, loss: Loss) -> float:
    """Return the share of held-out photographs that find their caption after training."""
    clip = load_clip(str(write_tiny_clip(folder / "clip", seed=settings.seed)))
    manifest = folder / "planet" / "manifest.csv"
    rows = read_split(manifest, Split.TRAIN)
    batches = Batches(rows, {}, settings.style, clip.tokenizer, clip.spec, settings.batch, settings.seed)
    optimizer = new_optimizer(clip.model, settings)
    bias = torch.nn.Parameter(torch.tensor(-10.0))
    optimizer.add_param_group({"params": [bias], "weight_decay": 0.0})
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, step)
        optimizer.zero_grad(set_to_none=True)
        _backward(clip, batches.at(step), loss, bias, settings.chunk)
        torch.nn.utils.clip_grad_norm_(clip.model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            clip.model.logit_scale.clamp_(0.0, MAX_LOG_SCALE)
    return probe(clip, batches, read_split(manifest, Split.TEST)[:200], CHUNK).image_to_text


def _backward(clip: Clip, batch: Batch, loss: Loss, bias: torch.Tensor, chunk: int) -> None:
    model = clip.model
    cached_backward(
        Side(lambda pixels: image_embedding(model, pixels, batch.mean, batch.std), batch.pixels.split(chunk)),
        Side(lambda tokens: text_embedding(model, tokens), batch.tokens.split(chunk)),
        loss(clip, bias, batch),
    )


def _info_nce(clip: Clip, bias: torch.Tensor, batch: Batch) -> LossOf:
    return lambda image, text: info_nce(image, text, clip.model.logit_scale, batch.twins)


def _sigmoid(clip: Clip, bias: torch.Tensor, batch: Batch) -> LossOf:
    """Every pair a yes or a no by itself (Zhai et al. 2023, SigLIP); pairs of equal captions of others are left out."""

    def loss(image: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = clip.model.logit_scale.exp()
        logits = scale * functional.normalize(image, dim=1) @ functional.normalize(text, dim=1).T + bias
        own = torch.eye(len(logits), dtype=torch.bool)
        signed = torch.where(own, logits, -logits).masked_fill(batch.twins & ~own, math.inf)
        return -functional.logsigmoid(signed).sum() / len(logits), torch.zeros(())

    return loss
