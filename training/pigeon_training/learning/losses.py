"""Losses. Pure: tensors in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pigeon_edge.geodesy import EARTH_RADIUS_KM, unit_vectors
from pigeon_training.smoothing import Smoothing

__all__ = [
    "TASK_WEIGHTS", "Smoothing", "great_circle_km", "haversine_targets", "inconsistency", "known_counts",
    "soft_cross_entropy", "sphere_tensor", "task_losses", "weighted_sum",
]  # fmt: skip

TASK_WEIGHTS = {"regression": 8.0, "climate": 2.0, "month": 1.0}
"""What each task's loss counts beside the geocells' (Haas et al. 2024)."""

_LEAST_EXPONENT = -80.0
"""exp of it, 2e-35, is nothing beside an own cell's 1; below, float32 has numbers that processors are slow with."""


def sphere_tensor(lat_lng: npt.ArrayLike) -> torch.Tensor:
    """Return unit vectors (N, 3) float64 of coordinates (N, 2) in degrees."""
    return torch.from_numpy(np.ascontiguousarray(unit_vectors(np.asarray(lat_lng, np.float64))))


def haversine_targets(
    vectors: torch.Tensor, own_cell: torch.Tensor, centroids: torch.Tensor, smoothing: Smoothing
) -> torch.Tensor:
    """Return (N, C) float32 targets over cells: exp(-(d(g_i, x_n) - d(g_own, x_n)) / tau) (Haas et al. 2024, eq. 2).

    d is the great-circle distance from photograph x_n, ``vectors`` (N, 3), to centroid g_i of ``centroids`` (C, 3),
    both float64 on the unit sphere. A neighbour whose centroid is nearer than the own cell's, ``own_cell`` (N,), counts
    as much as the own cell, not more.
    """
    if smoothing.tau_km == 0:
        return functional.one_hot(own_cell, len(centroids)).float()
    distance_km = great_circle_km(vectors, centroids)  # (N, C)
    farther_km = distance_km.sub_(distance_km.gather(1, own_cell[:, None])).float()
    closeness = farther_km.div_(-smoothing.tau_km).clamp_(_LEAST_EXPONENT, 0.0).exp_()
    return closeness.div_(closeness.sum(dim=1, keepdim=True)) if smoothing.normalised else closeness


def great_circle_km(vectors: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return distances (N, C) in km between unit vectors (N, 3) and (C, 3) float64; right to a decimetre."""
    # Half of one minus the cosine, in the product itself; in place, for a fresh block costs more than the sums in it.
    haversine = torch.addmm(vectors.new_full((1,), 0.5), vectors, others.T, alpha=-0.5)
    return haversine.clamp_(0.0, 1.0).sqrt_().asin_().mul_(2 * EARTH_RADIUS_KM)


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean over photographs of -sum(targets * log softmax(logits)), both (N, C), in float32."""
    return functional.cross_entropy(logits.float(), targets)


def task_losses(outputs: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the loss of each task whose head is among ``outputs``, over the targets that are known.

    ``targets`` holds regression (N, 6) on the learnt scale, NaN for unknown, and climate and month (N,), -1 for
    unknown: a squared error over entries, and cross-entropies over photographs. A batch that knows none of a task loses
    0 on it.
    """
    losses = {name: _known_entropy(outputs[name], targets[name]) for name in ("climate", "month") if name in outputs}
    if "regression" in outputs:
        losses["regression"] = _known_square(outputs["regression"], targets["regression"])
    return losses


def weighted_sum(losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the sum of task losses with the published weights."""
    return sum((TASK_WEIGHTS[name] * loss for name, loss in losses.items()), start=torch.zeros(()))


def known_counts(targets: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return over how many targets each task's loss is a mean: entries of the regression, photographs of the others."""
    known = {name: torch.isfinite(t) if name == "regression" else t >= 0 for name, t in targets.items()}
    return {name: mask.sum() for name, mask in known.items()}


def inconsistency(embedding: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the mean of one minus the cosine between embeddings (N, D) of two versions of the same photographs."""
    return (1 - functional.cosine_similarity(embedding.float(), other.float())).mean()


def _known_entropy(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    total = functional.cross_entropy(logits.float(), classes, ignore_index=-1, reduction="sum")
    return total / (classes >= 0).sum().clamp(min=1)


def _known_square(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    known = torch.isfinite(target)
    apart = (predicted.float() - target.nan_to_num()) * known
    return apart.square().sum() / known.sum().clamp(min=1)
