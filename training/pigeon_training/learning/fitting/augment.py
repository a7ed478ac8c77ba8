"""Seeing the same scene through another camera. Pure but for the generator that is passed in."""

from __future__ import annotations

import torch


def another_camera(images: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Return images (N, 3, S, S) in 0..1 as a camera of other colours would give them.

    Each image gets a gamma a channel, exp(2 * strength * normal), and a 3x3 colour matrix, identity plus strength *
    normal, with rows scaled to sum to one so that grey stays grey: the form in which colour profiles differ
    (ICC.1:2022, annex F). Nothing is mirrored: driving side and writing are evidence.
    """
    count = len(images)
    gamma = torch.exp(2 * strength * torch.randn(count, 3, 1, 1, generator=generator))
    matrix = torch.eye(3) + strength * torch.randn(count, 3, 3, generator=generator)
    matrix = matrix / matrix.sum(dim=2, keepdim=True)
    curved = images.clamp(min=1e-3) ** gamma.to(images.device)  # (N, 3, S, S)
    return torch.einsum("nij,njhw->nihw", matrix.to(images.device), curved).clamp(0.0, 1.0)
