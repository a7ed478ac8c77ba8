"""Which parts of a photograph speak for a geocell: by attention and its gradients, or by covering it square by square.

Both explain the log-odds of the cell, log p / (1 - p): they weigh it against its rivals, ignore what all cells share,
and do not level off where the model is certain.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from pigeon_edge.encoders.protocol import Encoder
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.images.preprocess import Pixels
from pigeon_training.model.geocell_model import GeocellModel

Floats = npt.NDArray[np.float32]

SQUARES = 8
"""Squares a side that are covered one after the other: 64 photographs to encode."""

CHUNK = 16


def log_odds(logits: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    """Return log p / (1 - p) (N,) of cells (N,) under logits (N, C). Raises InputError for a single cell."""
    if logits.shape[1] < 2:
        raise InputError(f"expected a model of 2 cells or more, found {logits.shape[1]}: nothing decides between them")
    column = cell[:, None]
    rivals = logits.scatter(1, column, -torch.inf).logsumexp(dim=1)
    return logits.gather(1, column)[:, 0] - rivals


def attention_attribution(model: GeocellModel, pixel_values: torch.Tensor, cell: torch.Tensor) -> Floats:
    """Return the shares (N, P, P) of patches, non-negative, of sum 1, in cells (N,) of images (N, 3, S, S).

    Relevance goes through the layers as in Chefer et al. 2021 ("Generic Attention-model Explainability", eq. 5 and 6):
    R = R + A' R, with A' the mean over heads of the positive part of attention times its gradient. The embedding is
    the mean of all tokens, so the mean of R's rows takes the place of the class token's row. What attention does not
    carry is not seen; where it carries nothing, shares are even. Raises UsageError for a tower with fused attention.
    """
    tokens = model.tower(pixel_values=pixel_values.detach().requires_grad_(), output_attentions=True)
    if not tokens.attentions:
        raise UsageError('expected a tower with attn_implementation="eager", which shows its attention weights')
    score = log_odds(model.heads["cells"](tokens.last_hidden_state.mean(dim=1)), cell).sum()
    gradients = torch.autograd.grad(score, tokens.attentions)
    own = torch.eye(tokens.last_hidden_state.shape[1])
    relevance = own.expand(len(cell), -1, -1)  # (N, T, T)
    for weights, gradient in zip(tokens.attentions, gradients, strict=True):  # (N, heads, T, T)
        relevance = relevance + (weights.detach() * gradient).clamp(min=0).mean(dim=1) @ relevance
    of_patches = (relevance - own).mean(dim=1)[:, 1:]  # (N, P * P): without each token's own, and the class token
    side = model.tower.config.image_size // model.tower.config.patch_size
    return _shares(np.asarray(of_patches.reshape(-1, side, side)))


def occlusion_attribution(encoder: Encoder, pixels: Pixels, cell: int, squares: int = SQUARES) -> Floats:
    """Return the shares (squares, squares) of squares, non-negative, of sum 1, in a cell of pixels (S, S, 3) uint8.

    The share of a square is how far the log-odds fall when it takes the photograph's mean colour (occlusion
    sensitivity, Zeiler and Fergus 2014); a square that speaks against the cell has none.
    """
    edges = np.linspace(0, len(pixels), squares + 1).round().astype(int)
    covered = np.repeat(pixels[None], squares**2 + 1, axis=0)  # (squares ** 2 + 1, S, S, 3), the last as it is
    for number, (row, column) in enumerate(np.ndindex(squares, squares)):
        down, across = slice(*edges[row : row + 2]), slice(*edges[column : column + 2])
        covered[number, down, across] = pixels.mean(axis=(0, 1)).round()
    starts = range(0, len(covered), CHUNK)
    logits = np.concatenate([encoder.encode(covered[start : start + CHUNK]).cell_logits for start in starts])
    odds = log_odds(torch.from_numpy(logits), torch.full((len(logits),), cell)).numpy()
    (shares,) = _shares((odds[-1] - odds[:-1]).reshape(1, squares, squares))
    return np.asarray(shares)


def _shares(relevance: Floats) -> Floats:
    """Return the positive part of (N, P, P), each scaled to a sum of 1; even where there is none."""
    positive = np.maximum(relevance, 0, dtype=np.float64)
    total = positive.sum(axis=(1, 2), keepdims=True)
    even = np.full_like(positive, 1 / positive[0].size)
    return np.asarray(np.divide(positive, total, out=even, where=total > 0), np.float32)
