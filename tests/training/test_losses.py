"""Targets and the loss, against direct evaluations in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_training.learning import losses
from pigeon_training.learning.losses import soft_cross_entropy, sphere_tensor, task_losses, weighted_sum
from pigeon_training.smoothing import Smoothing

RADIUS_KM = 6371.0088


def distance_km(a, b):
    """Return the great-circle distance by the spherical law of cosines."""
    (lat_a, lng_a), (lat_b, lng_b) = np.radians(a), np.radians(b)
    cosine = math.sin(lat_a) * math.sin(lat_b) + math.cos(lat_a) * math.cos(lat_b) * math.cos(lng_a - lng_b)
    return RADIUS_KM * math.acos(cosine)


def haversine_targets(photographs, own, centroids, tau_km, normalised=True):
    tensors = (sphere_tensor(photographs), torch.from_numpy(np.asarray(own)), sphere_tensor(centroids))
    return losses.haversine_targets(*tensors, Smoothing(tau_km, normalised)).numpy()


POLAR = np.array([[89.0, 0.0], [89.0, 180.0], [60.0, 0.0]])


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


def test_published_targets_are_not_normalised():
    photographs, centroids, own = on_land(5, 1), on_land(7, 2), np.array([0, 3, 6, 2, 2])
    raw = haversine_targets(photographs, own, centroids, 900.0, normalised=False)
    np.testing.assert_array_equal(raw[np.arange(5), own], 1.0)
    scaled = raw / raw.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scaled, haversine_targets(photographs, own, centroids, 900.0), rtol=1e-6)


def test_without_smoothing_the_own_cell_has_everything():
    targets = haversine_targets(on_land(3, 1), np.array([2, 0, 1]), on_land(3, 2), 0.0)
    np.testing.assert_array_equal(targets, np.eye(3)[[2, 0, 1]])


def test_targets_near_the_antimeridian_and_at_a_pole_know_the_sphere():
    centroids = np.array([[-17.0, 179.5], [-17.0, -179.0], [-17.0, 170.0]])
    (fiji,) = haversine_targets(np.array([[-17.0, 179.9]]), np.array([0]), centroids, 500.0)
    assert fiji[0] > fiji[1] > fiji[2] > 0
    across_pole = haversine_targets(
        np.array([[89.5, 0.0]]), np.array([0]), np.array([[89.0, 0], [89, 180], [60, 0]]), 300.0
    )
    assert across_pole[0, 1] > 0.5 * across_pole[0, 0] > across_pole[0, 2]


def test_great_circles_are_right_to_a_metre_near_and_far():
    points, others = on_land(50, 3), on_land(50, 4)
    others[0] = points[0] + [0.00002, 0.0]
    found = losses.great_circle_km(sphere_tensor(points), sphere_tensor(others)).numpy()
    np.testing.assert_allclose(found, haversine_km(points[:, None], others[None]), atol=1e-3)


def test_negative_smoothing_is_refused():
    with pytest.raises(UsageError, match="0 km or more, found -1"):
        Smoothing(-1.0)


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
    assert float(soft_cross_entropy(logits, targets)) == pytest.approx(expected, rel=1e-6)


def test_gradient_is_that_of_finite_differences():
    logits, targets = random_problem(torch.float32)
    soft_cross_entropy(logits.requires_grad_(), targets).backward()
    values, step = logits.detach().double().numpy(), 1e-6
    for index in np.ndindex(values.shape):
        above, below = values.copy(), values.copy()
        above[index] += step
        below[index] -= step
        slope = (direct_loss(above, targets.double().numpy()) - direct_loss(below, targets.double().numpy())) / 2 / step
        assert float(logits.grad[index]) == pytest.approx(slope, abs=1e-6)


def test_loss_of_half_precision_logits_is_taken_in_full_precision():
    logits, targets = random_problem(torch.float32)
    loss = soft_cross_entropy(logits.bfloat16(), targets)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(direct_loss(logits.bfloat16().double().numpy(), targets.numpy()), rel=1e-5)


def test_loss_is_smallest_where_the_prediction_is_the_target():
    logits, targets = random_problem(torch.float32)
    assert soft_cross_entropy(targets.log(), targets) < soft_cross_entropy(logits, targets)


def task_problem():
    rng = np.random.default_rng(3)
    outputs = {"regression": (4, 6), "climate": (4, 31), "month": (4, 12)}
    outputs = {name: torch.tensor(rng.normal(size=shape), dtype=torch.float32) for name, shape in outputs.items()}
    regression = torch.tensor(rng.normal(size=(4, 6)))
    regression[1, 2] = regression[3, :] = float("nan")
    return outputs, {
        "regression": regression,
        "climate": torch.tensor([0, -1, 30, 5]),
        "month": torch.tensor([-1, -1, 11, 0]),
    }


def test_task_losses_are_those_of_the_formula_over_what_is_known():
    outputs, targets = task_problem()
    found = task_losses(outputs, targets)
    apart = (outputs["regression"].double() - targets["regression"]).numpy()
    assert float(found["regression"]) == pytest.approx(np.nanmean(apart**2), rel=1e-6)
    for name, known in (("climate", [0, 2, 3]), ("month", [2, 3])):
        one_hot = np.eye(outputs[name].shape[1])[targets[name][known].numpy()]
        assert float(found[name]) == pytest.approx(
            direct_loss(outputs[name][known].double().numpy(), one_hot), rel=1e-6
        )
    expected = 8 * found["regression"] + 2 * found["climate"] + found["month"]
    assert float(weighted_sum(found)) == pytest.approx(float(expected), rel=1e-6)


def test_unknown_targets_give_no_gradient_and_no_loss():
    outputs, targets = task_problem()
    outputs = {name: tensor.requires_grad_() for name, tensor in outputs.items()}
    weighted_sum(task_losses(outputs, targets)).backward()
    gradient = {name: tensor.grad for name, tensor in outputs.items()}
    assert gradient["regression"][3].abs().sum() == gradient["month"][:2].abs().sum() == 0
    assert gradient["regression"][1, 2] == 0 != gradient["regression"][1, 1]
    nobody_knows = {"month": torch.full((4,), -1)}
    assert task_losses({"month": outputs["month"].detach()}, nobody_knows)["month"].item() == 0


def test_only_heads_that_are_there_lose():
    outputs, targets = task_problem()
    assert set(task_losses({"climate": outputs["climate"]}, targets)) == {"climate"}
    assert float(weighted_sum({})) == 0
