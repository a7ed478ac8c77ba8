"""Training heads on cached embeddings, beside a plain PyTorch loop with one-hot labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from tests.bench.table import Table
from tests.bench.timing import compare
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from pigeon_training.data.tasks import TASK_SIZES, TaskTargets, fit_scale
from pigeon_training.learning.heads.batches import HeadBatches
from pigeon_training.learning.heads.examples import HeadExamples
from pigeon_training.learning.heads.fit import new_optimizer, train_epoch
from pigeon_training.learning.heads.standard import fit_standard
from pigeon_training.learning.losses import sphere_tensor
from pigeon_training.model.geocell_model import Heads
from pigeon_training.presets import HEADS_PRESETS, HeadsPreset
from pigeon_training.smoothing import Smoothing

EMBEDDINGS, WIDTH, CELLS = 8192, 1024, 2203
ROUNDS = 7
PLAIN = "plain PyTorch loop, one-hot labels"


def heads_table() -> Table:
    """Measure an epoch of each on the same random embeddings, with the geocells of PIGEON in number."""
    rng = np.random.default_rng(0)
    examples = _examples(rng)
    centroid_lat_lng = np.column_stack([rng.uniform(-60, 70, CELLS), rng.uniform(-180, 180, CELLS)])
    preset = HEADS_PRESETS["pigeon"]
    ways = {
        PLAIN: _plain(examples, preset),
        "no smoothing": _ours(examples, centroid_lat_lng, replace(preset, smoothing=Smoothing(0.0), tasks=())),
        "haversine smoothing": _ours(examples, centroid_lat_lng, replace(preset, tasks=())),
        "haversine smoothing, all tasks": _ours(examples, centroid_lat_lng, preset),
    }
    found = compare(ways, PLAIN, ROUNDS)
    return Table(
        "Heads",
        f"An epoch of {EMBEDDINGS:,} random embeddings of {WIDTH} in batches of {preset.batch:,}, {CELLS:,} geocells.",
        ("training", "embeddings per second", "x plain"),
        tuple((name, EMBEDDINGS / timing.seconds, timing.ratio) for name, timing in found.items()),
    )


def _examples(rng: np.random.Generator) -> HeadExamples:
    regression = rng.uniform(1, 1000, (EMBEDDINGS, TASK_SIZES["regression"]))
    climate, month = (rng.integers(0, TASK_SIZES[name], EMBEDDINGS) for name in ("climate", "month"))
    lat_lng = np.column_stack([rng.uniform(-60, 70, EMBEDDINGS), rng.uniform(-180, 180, EMBEDDINGS)])
    embedding = rng.standard_normal((EMBEDDINGS, WIDTH), np.float32)
    return HeadExamples(embedding, lat_lng, rng.integers(0, CELLS, EMBEDDINGS), TaskTargets(regression, climate, month))


def _ours(examples: HeadExamples, centroid_lat_lng: np.ndarray, preset: HeadsPreset) -> Callable[[], object]:
    scale = fit_scale(examples.tasks.regression, preset.elevation_offset_m) if "regression" in preset.tasks else None
    batches = HeadBatches(examples, preset.tasks, scale, fit_standard(examples.embedding, torch.device("cpu")))
    heads = Heads(WIDTH, {"cells": CELLS, **{name: TASK_SIZES[name] for name in preset.tasks}})
    optimizer, centroids = new_optimizer(heads, preset), sphere_tensor(centroid_lat_lng)

    def epoch() -> dict[str, float]:
        return train_epoch(heads, optimizer, batches.shuffled(preset.batch, 0, 0), centroids, preset.smoothing)

    return epoch


def _plain(examples: HeadExamples, preset: HeadsPreset) -> Callable[[], object]:
    pairs = TensorDataset(torch.from_numpy(np.asarray(examples.embedding[:])), torch.from_numpy(examples.cell))
    head = torch.nn.Linear(WIDTH, CELLS)
    optimizer = torch.optim.AdamW(head.parameters(), preset.learning_rate, weight_decay=preset.weight_decay)

    def epoch() -> None:
        for embedding, cell in DataLoader(pairs, preset.batch, shuffle=True):
            loss = functional.cross_entropy(head(embedding), functional.one_hot(cell, CELLS).float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch
