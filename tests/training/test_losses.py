"""Targets and the loss, against direct evaluations in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pigeon_training.losses import haversine_targets, smoothed_cross_entropy

RADIUS_KM = 6371.0088


def distance_km(a, b):
    """Return the great-circle distance by the spherical law of cosines."""
    (lat_a, lng_a), (lat_b, lng_b) = np.radians(a), np.radians(b)
    cosine = math.sin(lat_a) * math.sin(lat_b) + math.cos(lat_a) * math.cos(lat_b) * math.cos(lng_a - lng_b)
    return RADIUS_KM * math.acos(cosine)


def on_land(count, seed):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(-70, 70, count), rng.uniform(-180, 180, count)])


def test_targets_are_those_of_the_formula():
    photographs, centroids, tau = on_land(5, 1), on_land(7, 2), 900.0
    own = np.array([0, 3, 6, 2, 2])
    expected = np.zeros((5, 7))
    for n, photograph in enumerate(photographs):
        own_km = distance_km(photograph, centroids[own[n]])
        for i, centroid in enumerate(centroids):
            expected[n, i] = math.exp(-max(distance_km(photograph, centroid) - own_km, 0) / tau)
        expected[n] /= expected[n].sum()
    np.testing.assert_allclose(haversine_targets(photographs, own, centroids, tau), expected, rtol=1e-5, atol=1e-9)


def test_rows_sum_to_one():
    targets = haversine_targets(on_land(40, 3), np.arange(40) % 9, on_land(9, 4), 75.0)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)


def test_own_cell_has_the_largest_target_and_nearer_cells_have_larger_ones():
    centroids = np.array([[0.0, 0.0], [0.0, 5.0], [0.0, 10.0], [0.0, -20.0]])
    (targets,) = haversine_targets(np.array([[0.0, 1.0]]), np.array([0]), centroids, 500.0)
    assert targets[0] > targets[1] > targets[2] > targets[3] > 0


def test_neighbour_nearer_than_the_own_cell_counts_as_much():
    centroids = np.array([[0.0, 10.0], [0.0, 2.0], [0.0, 40.0]])
    (targets,) = haversine_targets(np.array([[0.0, 1.0]]), np.array([0]), centroids, 500.0)
    assert targets[1] == targets[0] > targets[2]


def test_longer_tau_smooths_more():
    centroids, photograph = on_land(6, 5), on_land(1, 6)
    sharp, smooth = (haversine_targets(photograph, np.array([1]), centroids, tau)[0, 1] for tau in (100.0, 5000.0))
    assert sharp > smooth


def random_problem(dtype):
    rng = np.random.default_rng(8)
    logits = torch.tensor(rng.normal(scale=3, size=(4, 6)), dtype=dtype)
    return logits, torch.tensor(rng.dirichlet(np.ones(6), 4), dtype=dtype)


def direct_loss(logits, targets):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(targets * log_probability).sum(axis=1).mean())


def test_loss_is_the_cross_entropy_with_soft_targets():
    logits, targets = random_problem(torch.float32)
    expected = direct_loss(logits.double().numpy(), targets.double().numpy())
    assert float(smoothed_cross_entropy(logits, targets)) == pytest.approx(expected, rel=1e-6)


def test_gradient_is_that_of_finite_differences():
    logits, targets = random_problem(torch.float32)
    smoothed_cross_entropy(logits.requires_grad_(), targets).backward()
    values, step = logits.detach().double().numpy(), 1e-6
    for index in np.ndindex(values.shape):
        above, below = values.copy(), values.copy()
        above[index] += step
        below[index] -= step
        slope = (direct_loss(above, targets.double().numpy()) - direct_loss(below, targets.double().numpy())) / 2 / step
        assert float(logits.grad[index]) == pytest.approx(slope, abs=1e-6)


def test_loss_of_half_precision_logits_is_taken_in_full_precision():
    logits, targets = random_problem(torch.float32)
    loss = smoothed_cross_entropy(logits.bfloat16(), targets)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(direct_loss(logits.bfloat16().double().numpy(), targets.numpy()), rel=1e-5)


def test_loss_is_smallest_where_the_prediction_is_the_target():
    logits, targets = random_problem(torch.float32)
    assert smoothed_cross_entropy(targets.log(), targets) < smoothed_cross_entropy(logits, targets)
