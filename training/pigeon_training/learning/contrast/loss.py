"""The contrastive loss, and how to take it over more photographs than memory holds at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch.nn import functional

MAX_LOG_SCALE = math.log(100.0)
"""Logits are at most 100 times a cosine (Radford et al. 2021, section 2.5)."""

InputT = TypeVar("InputT")


@dataclass(frozen=True)
class Side(Generic[InputT]):
    """One tower's part of a batch: chunks that fit into memory, and what embeds a chunk as (n, D)."""

    encode: Callable[[InputT], torch.Tensor]
    chunks: Sequence[InputT]


def info_nce(
    image: torch.Tensor, text: torch.Tensor, log_scale: torch.Tensor, twins: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the symmetric InfoNCE loss of embeddings (N, D) of N pairs, and the share of images that find their text.

    ``twins`` (N, N) marks captions that are the same words: the pairs of others among them are no negatives and are
    left out of the softmax.
    """
    logits = log_scale.exp() * functional.normalize(image, dim=1) @ functional.normalize(text, dim=1).T  # (N, N)
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    masked = logits.masked_fill(twins & ~own, -math.inf)
    target = torch.arange(len(logits), device=logits.device)
    loss = (functional.cross_entropy(masked, target) + functional.cross_entropy(masked.T, target)) / 2
    return loss, (masked.argmax(dim=1) == target).float().mean()


def same_words(captions: Sequence[str]) -> torch.Tensor:
    """Return (N, N) bool: which captions are equal."""
    number = {caption: index for index, caption in enumerate(dict.fromkeys(captions))}
    ids = torch.tensor([number[caption] for caption in captions])
    return ids[:, None] == ids[None, :]


def cached_backward(
    image: Side[InputT],
    text: Side[InputT],
    loss_of: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
) -> tuple[float, float]:
    """Add the gradients of ``loss_of`` over the whole batch, one chunk in memory at a time; return what it returns.

    The gradients are those of one large batch, exactly: embeddings first, without a graph; then the loss and its
    gradient by embedding; then each chunk again, with that gradient (Gao et al. 2021, gradient caching). A batch of
    one chunk needs no second pass. The towers must be deterministic: in evaluation mode, or without dropout.
    """
    sides = (image, text)
    if len(image.chunks) == len(text.chunks) == 1:
        loss, accuracy = loss_of(image.encode(image.chunks[0]).float(), text.encode(text.chunks[0]).float())
        loss.backward()
        return float(loss.detach()), float(accuracy)
    with torch.no_grad():
        leaves = [torch.cat([side.encode(chunk) for chunk in side.chunks]).float() for side in sides]
    for leaf in leaves:
        leaf.requires_grad_()
    loss, accuracy = loss_of(*leaves)
    loss.backward()
    for side, leaf in zip(sides, leaves, strict=True):
        _backward(side, torch.as_tensor(leaf.grad))
    return float(loss.detach()), float(accuracy)


def _backward(side: Side[InputT], gradient: torch.Tensor) -> None:
    """Add the gradients of one tower; ``gradient`` (N, D) is the loss's by its embeddings."""
    start = 0
    for chunk in side.chunks:
        embedding = side.encode(chunk).float()
        embedding.backward(gradient[start : start + len(embedding)])
        start += len(embedding)
