"""Losses. Pure: arrays in, numbers out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from pigeon_edge.geodesy import haversine_km


def haversine_targets(
    lat_lng: npt.NDArray[np.float64],
    own_cell: npt.NDArray[np.int64],
    centroid_lat_lng: npt.NDArray[np.float64],
    tau_km: float,
) -> npt.NDArray[np.float32]:
    """Return (N, C) targets summing to 1 over cells: exp(-(d(g_i, x_n) - d(g_own, x_n)) / tau).

    d is the great-circle distance from photograph x_n at (N, 2) to centroid g_i of (C, 2) (Haas et al. 2024, eq. 2).
    A neighbour whose centroid is nearer than the own cell's counts as much as the own cell, not more.
    """
    distance_km = haversine_km(lat_lng[:, None, :], centroid_lat_lng[None, :, :])  # (N, C)
    own_km = np.take_along_axis(distance_km, own_cell[:, None], axis=1)  # (N, 1)
    closeness = np.exp(-np.maximum(distance_km - own_km, 0.0) / tau_km)
    return np.asarray(closeness / closeness.sum(axis=1, keepdims=True), np.float32)


def inconsistency(embedding: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the mean of one minus the cosine between embeddings (N, D) of two versions of the same photographs."""
    return (1 - torch.nn.functional.cosine_similarity(embedding.float(), other.float())).mean()


def smoothed_cross_entropy(cell_logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of logits (N, C) against soft targets (N, C)."""
    return torch.nn.functional.cross_entropy(cell_logits.float(), targets)
