"""Continued contrastive pre-training of both CLIP towers: photographs against their captions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import CLIPModel

from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.learning.contrast.batches import Batch
from pigeon_training.learning.contrast.captions import CaptionStyle
from pigeon_training.learning.contrast.loss import MAX_LOG_SCALE, Side, cached_backward, info_nce
from pigeon_training.model.geocell_model import normalise, planes


@dataclass(frozen=True)
class ContrastSettings:
    """How the towers are trained further.

    ``batch`` photographs are compared with each other, ``chunk`` of them are in memory with a graph at a time.
    ``warmup`` is the share of steps in which the rate rises; from then on it falls to zero, both linearly. Optimiser:
    AdamW with the betas, epsilon and weight decay of PIGEON's pre-training (Haas et al. 2024), gradients of norm 1.
    """

    style: CaptionStyle
    learning_rate: float
    warmup: float
    batch: int = 1024
    chunk: int = 32
    steps: int = 1000
    weight_decay: float = 1e-3
    checkpoint_every: int = 100
    seed: int = 330


PRETRAIN_PRESETS = {
    CaptionStyle.PIGEON: ContrastSettings(CaptionStyle.PIGEON, learning_rate=1e-6, warmup=0.2),
    CaptionStyle.PIGEOTTO: ContrastSettings(CaptionStyle.PIGEOTTO, learning_rate=5e-7, warmup=0.02),
    CaptionStyle.STREETCLIP: ContrastSettings(CaptionStyle.STREETCLIP, learning_rate=1e-6, warmup=0.2),
}
"""Published learning rates and warm-ups; StreetCLIP's warm-up is not published, PIGEON's stands in."""


@dataclass(frozen=True)
class StepReport:
    """One row of the log: ``accuracy`` is the share of images of the batch that find their own text.

    ``unreadable`` photographs of the batch could not be read and were left out.
    """

    step: int
    loss: float
    accuracy: float
    learning_rate: float
    logit_scale: float
    unreadable: int


def new_optimizer(model: CLIPModel, settings: ContrastSettings) -> torch.optim.AdamW:
    """Return the optimiser of both towers; biases, norms and the logit scale do not decay."""
    weights = list(model.parameters())
    groups = [
        {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, settings.learning_rate, betas=(0.9, 0.98), eps=1e-6)


def learning_rate(settings: ContrastSettings, step: int) -> float:
    """Return the rate of a step (0-based): up to the full one over the warm-up, then down towards zero."""
    rising = max(round(settings.warmup * settings.steps), 1)
    if step < rising:
        return settings.learning_rate * (step + 1) / rising
    return settings.learning_rate * (settings.steps - step) / (settings.steps - rising + 1)


def train(
    model: CLIPModel,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[int, Batch]],
    settings: ContrastSettings,
    after_step: Callable[[StepReport], None],
) -> None:
    """Train on numbered batches; ``after_step`` hears of each. Dropout stays off, as published CLIP has none."""
    model.eval()
    for step, batch in batches:
        rate = learning_rate(settings, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss, accuracy = backward(model, batch, settings.chunk)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0.0, MAX_LOG_SCALE)
        scale = float(model.logit_scale.detach().exp())
        after_step(StepReport(step, loss, accuracy, rate, scale, len(batch.unreadable)))


def backward(model: CLIPModel, batch: Batch, chunk: int) -> tuple[float, float]:
    """Add the gradients of one batch to a model; return its loss and accuracy."""
    device = model.logit_scale.device
    twins = batch.twins.to(device)
    return cached_backward(
        Side(lambda pixels: image_embedding(model, pixels, batch.spec), batch.pixels.split(chunk)),
        Side(lambda tokens: text_embedding(model, tokens), batch.tokens.split(chunk)),
        lambda image, text: info_nce(image, text, model.logit_scale, twins),
    )


def image_embedding(model: CLIPModel, pixels: torch.Tensor, spec: PreprocessSpec) -> torch.Tensor:
    """Return the projected embedding (N, D), of any length, of pixels (N, S, S, 3) uint8."""
    device = model.logit_scale.device
    with _half_on_gpu(device):
        images = normalise(planes(pixels), spec).to(device)
        return torch.as_tensor(model.visual_projection(model.vision_model(pixel_values=images).pooler_output))


def text_embedding(model: CLIPModel, tokens: torch.Tensor) -> torch.Tensor:
    """Return the projected embedding (N, D), of any length, of token ids and attention mask, (N, 2, T)."""
    device = model.logit_scale.device
    ids, mask = tokens.to(device).unbind(dim=1)
    with _half_on_gpu(device):
        pooled = model.text_model(input_ids=ids, attention_mask=mask).pooler_output
        return torch.as_tensor(model.text_projection(pooled))


def _half_on_gpu(device: torch.device) -> Any:
    """Matrix products in bfloat16 on a GPU; in float32, and repeatable to the bit, on a processor."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
