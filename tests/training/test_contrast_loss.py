"""The contrastive loss against the formula, and its gradients in chunks against those of one batch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pigeon_training.learning.contrast.loss import Side, cached_backward, info_nce, same_words


def embeddings(count=6, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, width, generator=generator, dtype=torch.float64) for _ in range(2)]


def by_hand(image, text, scale, twins):
    """Return the loss in plain float64, pair by pair."""
    image, text = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (image, text))
    logits, total = scale * image @ text.T, 0.0
    for matrix in (logits, logits.T):
        for row in range(len(matrix)):
            rivals = [c for c in range(len(matrix)) if c == row or not twins[row, c]]
            total -= matrix[row, row] - math.log(sum(math.exp(matrix[row, c]) for c in rivals))
    return total / (2 * len(logits))


def test_loss_equals_the_formula_with_identical_captions_left_out():
    image, text = embeddings()
    twins = same_words(["a", "b", "a", "c", "b", "d"])
    loss, _ = info_nce(image, text, torch.tensor(1.5, dtype=torch.float64), twins)
    expected = by_hand(image.numpy(), text.numpy(), math.exp(1.5), twins.numpy())
    assert float(loss) == pytest.approx(expected, rel=1e-12)
    unmasked, _ = info_nce(image, text, torch.tensor(1.5, dtype=torch.float64), torch.eye(6, dtype=torch.bool))
    assert float(loss) < float(unmasked)


def test_a_batch_of_one_caption_teaches_nothing():
    image, text = embeddings()
    image.requires_grad_()
    loss, _ = info_nce(image, text, torch.tensor(0.0), same_words(["a"] * 6))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.0)
    assert torch.equal(image.grad, torch.zeros_like(image))


def test_nearest_text_being_the_own_one_is_the_better_sense():
    same = torch.eye(4)
    scale = torch.tensor(2.0)
    right, right_share = info_nce(same, same, scale, torch.eye(4, dtype=torch.bool))
    wrong, wrong_share = info_nce(same, same.roll(1, 0), scale, torch.eye(4, dtype=torch.bool))
    assert float(right) < math.log(4) < float(wrong)
    assert (float(right_share), float(wrong_share)) == (1.0, 0.0)


def test_loss_gradient_agrees_with_finite_differences():
    image, text = (side.requires_grad_() for side in embeddings(4, 3))
    twins = same_words(["a", "b", "a", "c"])
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, t, s: info_nce(i, t, s, twins)[0], (image, text, scale))


@pytest.mark.parametrize("chunk", [1, 3, 4, 10])
def test_gradients_in_chunks_are_those_of_one_batch(chunk):
    torch.manual_seed(1)
    towers = [torch.nn.Sequential(torch.nn.Linear(7, 8), torch.nn.GELU(), torch.nn.Linear(8, 5)) for _ in range(2)]
    scale = torch.nn.Parameter(torch.tensor(2.0))
    weights = [*towers[0].parameters(), *towers[1].parameters(), scale]
    images, texts = torch.randn(10, 7), torch.randn(10, 7)
    twins = same_words(list("abcabdefgh"))

    whole, share = info_nce(towers[0](images), towers[1](texts), scale, twins)
    expected = torch.autograd.grad(whole, weights)
    loss, accuracy = cached_backward(
        Side(towers[0], images.split(chunk)),
        Side(towers[1], texts.split(chunk)),
        lambda image, text: info_nce(image, text, scale, twins),
    )
    assert (loss, accuracy) == (pytest.approx(float(whole.detach()), rel=1e-6), float(share))
    for weight, gradient in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-5, atol=1e-6)
