"""Training a tower and its geocell head from nothing, on photographs held in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from pigeon_edge.geodesy import haversine_km
from pigeon_edge.preprocess import Pixels, PreprocessSpec
from pigeon_training.augment import another_camera
from pigeon_training.losses import Smoothing, haversine_targets, inconsistency, soft_cross_entropy, sphere_tensor
from pigeon_training.model import GeocellModel, Heads, new_tower, normalise, planes
from pigeon_training.presets import FitPreset

Say = Callable[[str], None]


@dataclass(frozen=True)
class Examples:
    """N photographs: pixels (N, S, S, 3) uint8, lat_lng (N, 2) degrees, cell (N,)."""

    pixels: Pixels
    lat_lng: npt.NDArray[np.float64]
    cell: npt.NDArray[np.int64]


def fit(
    training: Examples, validation: Examples, centroid_lat_lng: npt.NDArray[np.float64], preset: FitPreset, say: Say
) -> GeocellModel:
    """Return the model of the epoch with the best median validation error; ``say`` hears of each epoch."""
    torch.manual_seed(preset.seed)
    tower = new_tower(preset.tower)
    model = GeocellModel(tower, Heads(preset.tower.width, {"cells": len(centroid_lat_lng)}))
    preset = replace(preset, batch=min(preset.batch, len(training.cell)))
    steps = max(preset.epochs * (len(training.cell) // preset.batch), 2)
    warmup = max(preset.warmup, 1.5 / steps)  # torch divides by zero where the first step is the whole warmup
    optimizer = torch.optim.AdamW(model.parameters(), preset.learning_rate, weight_decay=preset.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, preset.learning_rate, total_steps=steps, pct_start=warmup, cycle_momentum=False
    )
    best_km, best = np.inf, model.state_dict()
    for epoch in range(preset.epochs):
        loss = _epoch(model, training, centroid_lat_lng, preset, epoch, optimizer, schedule)
        median_km = float(np.median(errors_km(model, validation, centroid_lat_lng)))
        say(f"epoch {epoch + 1}/{preset.epochs}: loss {loss:.3f}, validation median {median_km:,.0f} km by centroid")
        if median_km < best_km:
            best_km, best = median_km, {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(best)
    return model.eval()


def errors_km(
    model: GeocellModel, examples: Examples, centroid_lat_lng: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return (N,) distances from the truth to the centroid of the most probable cell."""
    model.eval()
    with torch.inference_mode():
        chunks = [_logits(model, examples.pixels[start : start + 256]) for start in range(0, len(examples.cell), 256)]
    cells = torch.cat(chunks).argmax(dim=1).numpy()
    return haversine_km(centroid_lat_lng[cells], examples.lat_lng)


def _epoch(
    model: GeocellModel,
    training: Examples,
    centroid_lat_lng: npt.NDArray[np.float64],
    preset: FitPreset,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    """Train on every photograph once, in an order of its own; return the mean loss."""
    model.train()
    order = np.random.default_rng((preset.seed, epoch)).permutation(len(training.cell))
    batches = [order[start : start + preset.batch] for start in range(0, len(order) - preset.batch + 1, preset.batch)]
    cameras = torch.Generator().manual_seed(preset.seed + epoch)
    vectors, centroids = sphere_tensor(training.lat_lng), sphere_tensor(centroid_lat_lng)
    own_cell, smoothing = torch.from_numpy(training.cell), Smoothing(preset.tau_km)
    losses = []
    for rows in batches:
        targets = haversine_targets(vectors[rows], own_cell[rows], centroids, smoothing)
        loss = _loss(model, planes(torch.from_numpy(training.pixels[rows])), targets, preset, cameras)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _loss(
    model: GeocellModel, images: torch.Tensor, targets: torch.Tensor, preset: FitPreset, cameras: torch.Generator
) -> torch.Tensor:
    """Return the loss of images (N, 3, S, S) in 0..1, each seen by two cameras, against targets (N, C)."""
    seen = another_camera(images.repeat(2, 1, 1, 1), preset.colour_strength, cameras)  # (2 N, 3, S, S)
    with torch.autocast("cpu", torch.bfloat16):
        embedding, outputs = model(normalise(seen, PreprocessSpec(preset.tower.image_size_px)))
    apart = inconsistency(*embedding.chunk(2))
    return soft_cross_entropy(outputs["cells"], targets.repeat(2, 1)) + preset.consistency_weight * apart


def _logits(model: GeocellModel, pixels: Pixels) -> torch.Tensor:
    _, outputs = model(normalise(planes(torch.from_numpy(pixels)), PreprocessSpec(pixels.shape[1])))
    return torch.as_tensor(outputs["cells"])
