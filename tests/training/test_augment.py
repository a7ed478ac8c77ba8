"""Other cameras' colours."""

from __future__ import annotations

import pytest
import torch

from pigeon_training.learning.fitting.augment import another_camera
from pigeon_training.learning.losses import inconsistency


def seen(images, strength, seed=1):
    return another_camera(images, strength, torch.Generator().manual_seed(seed))


@pytest.fixture
def images():
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05


def test_no_strength_changes_nothing(images):
    torch.testing.assert_close(seen(images, 0.0), images)


def test_same_generator_is_the_same_camera_and_another_is_not(images):
    assert torch.equal(seen(images, 0.1), seen(images, 0.1))
    assert not torch.equal(seen(images, 0.1), seen(images, 0.1, seed=2))


def test_each_photograph_gets_a_camera_of_its_own(images):
    twice = seen(images[:1].repeat(2, 1, 1, 1), 0.1)
    assert not torch.equal(twice[0], twice[1])


def test_white_and_black_stay():
    for value in (0.0, 1.0):
        flat = torch.full((8, 3, 2, 2), value)
        torch.testing.assert_close(seen(flat, 0.1), flat, atol=1e-2, rtol=0)


def test_more_strength_moves_colours_further_and_stays_in_range(images):
    weak, strong = seen(images, 0.02), seen(images, 0.2)
    assert (weak - images).abs().mean() < (strong - images).abs().mean()
    assert strong.min() >= 0
    assert strong.max() <= 1


def test_nothing_moves_within_the_picture():
    image = torch.zeros(1, 3, 4, 4)
    image[:, :, 0, 0] = 0.8
    moved = seen(image, 0.1)[0].amax(dim=0)
    assert moved[0, 0] > 0.3
    assert moved.flatten()[1:].max() < 0.01


def test_inconsistency_is_0_for_one_direction_and_2_for_the_opposite():
    a = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert inconsistency(a, 5 * a).item() == pytest.approx(0.0, abs=1e-6)
    assert inconsistency(a, -a).item() == pytest.approx(2.0, abs=1e-6)
    assert inconsistency(a[:1], torch.tensor([[2.0, -1.0]])).item() == pytest.approx(1.0, abs=1e-6)
