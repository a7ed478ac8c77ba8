"""Heads on embeddings: exact in parts, right by a direct evaluation, the best epoch, the same every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.tasks import REGRESSIONS, TASK_SIZES, TaskTargets, fit_scale
from pigeon_training.learning.heads import examples as head_examples
from pigeon_training.learning.heads import fit as fit_heads_module
from pigeon_training.learning.heads import standard as standard_module
from pigeon_training.learning.heads.batches import HeadBatches, OnDevice
from pigeon_training.learning.heads.examples import HeadExamples, SampleEmbeddings, in_memory
from pigeon_training.learning.heads.fit import add_gradients, fit_heads, likeliest_cells
from pigeon_training.learning.heads.standard import Standard, fit_standard
from pigeon_training.learning.losses import TASK_WEIGHTS, sphere_tensor
from pigeon_training.model.geocell_model import Heads
from pigeon_training.presets import HEADS_PRESETS
from pigeon_training.smoothing import Smoothing

pytestmark = pytest.mark.usefixtures("one_thread")

CENTROIDS = np.array([[10.0, 10.0], [45.0, -100.0], [-30.0, 150.0], [12.0, 14.0], [60.0, 25.0]])
ALL_TASKS = ("regression", "climate", "month")
PRESET = replace(HEADS_PRESETS["toy"], batch=16, epochs=15, patience=0, learning_rate=2e-2)
CPU = torch.device("cpu")
AS_IT_IS = Standard(torch.zeros(8), torch.ones(8))


def examples(count, seed, *, noise=0.15, width=8):
    """Return separable samples: a direction a cell, tasks that follow from the cell, some of them unknown."""
    rng = np.random.default_rng(seed)
    cell = rng.integers(0, len(CENTROIDS), count)
    directions = np.random.default_rng(99).normal(size=(len(CENTROIDS), width))
    embedding = (directions[cell] + noise * rng.normal(size=(count, width))).astype(np.float32)
    regression = np.exp(rng.normal(size=(count, 6)) * 0.1) * (1 + cell[:, None]) * 20
    regression[rng.random((count, 6)) < 0.2] = np.nan
    climate, month = cell + 3, np.where(rng.random(count) < 0.3, -1, cell % 12)
    lat_lng = CENTROIDS[cell] + rng.uniform(-1, 1, (count, 2))
    return HeadExamples(embedding, lat_lng, cell, TaskTargets(regression, climate, month))


def nobody_knows(count):
    return TaskTargets(np.full((count, 6), np.nan), np.full(count, -1), np.full(count, -1))


def batch_and_heads(count=23, tasks=ALL_TASKS):
    torch.manual_seed(5)
    training = examples(count, 1)
    scale = fit_scale(training.tasks.regression, 408.0)
    sizes = {"cells": len(CENTROIDS), **{name: TASK_SIZES[name] for name in tasks}}
    batch = HeadBatches(training, tasks, scale, AS_IT_IS).of(np.arange(count))
    return training, scale, batch, Heads(8, sizes)


def gradients_of(heads, batch, smoothing):
    heads.zero_grad()
    losses = add_gradients(heads, batch, sphere_tensor(CENTROIDS), smoothing)
    return losses, {name: weight.grad.clone() for name, weight in heads.named_parameters()}


def direct_loss(heads, training, scale, smoothing):
    """Return the total loss in float64, written out."""
    weights = {name: weight.detach().double().numpy() for name, weight in heads.named_parameters()}
    return _direct(weights, training, scale, smoothing)


def _direct(weights, training, scale, smoothing):
    x = training.embedding.astype(np.float64)
    outputs = {name: x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"] for name in ("cells", *ALL_TASKS)}
    logs = {name: out - np.log(np.exp(out).sum(axis=1, keepdims=True)) for name, out in outputs.items()}
    rows = np.arange(len(x))
    distance_km = haversine_km(training.lat_lng[:, None], CENTROIDS[None])
    farther_km = np.maximum(distance_km - distance_km[rows, training.cell][:, None], 0)
    targets = np.exp(-farther_km / smoothing.tau_km)
    if smoothing.normalised:
        targets /= targets.sum(axis=1, keepdims=True)
    total = -(targets * logs["cells"]).sum(axis=1).mean()
    total += 8 * np.nanmean((outputs["regression"] - scale.standard(training.tasks.regression)) ** 2)
    for name, weight in (("climate", 2), ("month", 1)):
        classes = getattr(training.tasks, name)
        known = classes >= 0
        total -= weight * logs[name][rows[known], classes[known]].mean()
    return total


@pytest.mark.parametrize("normalised", [True, False])
def test_loss_and_gradients_are_those_of_a_direct_evaluation(normalised):
    training, scale, batch, heads = batch_and_heads()
    smoothing = Smoothing(900.0, normalised)
    losses, gradients = gradients_of(heads, batch, smoothing)
    assert float(losses["loss"]) == pytest.approx(direct_loss(heads, training, scale, smoothing), rel=1e-5)
    weights = {name: weight.detach().double().numpy() for name, weight in heads.named_parameters()}
    for name, index in (
        ("cells.weight", (1, 3)), ("cells.bias", (4,)), ("regression.weight", (2, 5)), ("climate.weight", (3, 0)),
        ("month.bias", (2,)),
    ):  # fmt: skip
        slopes = []
        for step in (1e-5, -1e-5):
            moved = {key: value.copy() for key, value in weights.items()}
            moved[name][index] += step
            slopes.append(_direct(moved, training, scale, smoothing))
        assert float(gradients[name][index]) == pytest.approx((slopes[0] - slopes[1]) / 2e-5, rel=1e-3, abs=1e-5)


def test_told_losses_add_up_with_the_published_weights():
    _, _, batch, heads = batch_and_heads()
    losses, _ = gradients_of(heads, batch, Smoothing(75.0))
    expected = losses["cells_loss"] + sum(TASK_WEIGHTS[name] * losses[f"{name}_loss"] for name in ALL_TASKS)
    assert float(losses["loss"]) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("block_entries", [1, 10, 5 * 7])
def test_parts_of_a_batch_give_the_gradients_of_the_whole(monkeypatch, block_entries):
    _, _, batch, heads = batch_and_heads()
    expected_losses, expected = gradients_of(heads, batch, Smoothing(900.0))
    monkeypatch.setattr(fit_heads_module, "BLOCK_ENTRIES", block_entries)
    losses, found = gradients_of(heads, batch, Smoothing(900.0))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(losses, expected_losses, rtol=1e-5, atol=1e-6)


def test_no_more_samples_times_cells_than_stated_are_seen_at_a_time(monkeypatch):
    seen = []
    monkeypatch.setattr(fit_heads_module, "BLOCK_ENTRIES", 20)

    def watching(vectors, own_cell, centroids, smoothing):
        seen.append(len(vectors) * len(centroids))
        return torch.nn.functional.one_hot(own_cell, len(centroids)).float()

    monkeypatch.setattr(fit_heads_module, "haversine_targets", watching)
    _, _, batch, heads = batch_and_heads()
    gradients_of(heads, batch, Smoothing(900.0))
    assert max(seen) <= 20 <= sum(seen) == 23 * 5
    monkeypatch.undo()
    whole = likeliest_cells(heads, OnDevice(examples(23, 1).embedding, AS_IT_IS))
    monkeypatch.setattr(fit_heads_module, "BLOCK_ENTRIES", 20)
    np.testing.assert_array_equal(likeliest_cells(heads, OnDevice(examples(23, 1).embedding, AS_IT_IS)), whole)


def test_separable_cells_and_tasks_are_learnt():
    lines = []
    training = examples(400, 1)
    fitted = fit_heads(training, examples(80, 2), CENTROIDS, replace(PRESET, epochs=40), lines.append)
    held_out = examples(200, 3)
    with torch.inference_mode():
        outputs = fitted.heads(torch.from_numpy(held_out.embedding))
    assert (outputs["cells"].argmax(dim=1).numpy() == held_out.cell).mean() > 0.9
    assert (outputs["climate"].argmax(dim=1).numpy() == held_out.tasks.climate).mean() > 0.9
    known = held_out.tasks.month >= 0
    assert (outputs["month"].argmax(dim=1).numpy() == held_out.tasks.month)[known].mean() > 0.9
    units = fitted.scale.units(outputs["regression"].numpy())
    error = np.nanmedian(np.abs(units - held_out.tasks.regression) / held_out.tasks.regression)
    spread = np.nanmedian(np.abs(np.nanmedian(units) - held_out.tasks.regression) / held_out.tasks.regression)
    assert error < 0.7 * spread
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    assert set(lines[0]) == {
        "epoch", "loss", "cells_loss", "regression_loss", "climate_loss", "month_loss", "validation_km",
        "validation_in_cell",
    }  # fmt: skip


def test_standard_is_that_of_the_formula_read_in_parts(monkeypatch):
    embedding = (np.random.default_rng(4).normal(size=(50, 3)) * [1, 100, 0] + [5, -70, 3]).astype(np.float32)
    monkeypatch.setattr(standard_module, "_ROWS_AT_A_TIME", 7)
    standard = fit_standard(SampleEmbeddings(embedding, [[row] for row in range(50)]), CPU)
    np.testing.assert_allclose(standard.mean, embedding.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(standard.deviation, [*embedding.std(axis=0)[:2], 1.0], rtol=1e-4)
    scaled = standard.of(torch.from_numpy(embedding))
    np.testing.assert_allclose(scaled.mean(dim=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(dim=0, correction=0)[:2], 1, rtol=1e-4)


def test_folded_heads_say_of_embeddings_what_they_said_of_standardised_ones():
    embedding = torch.randn(20, 8, generator=torch.Generator().manual_seed(1)) * 30 + 7
    standard, heads = fit_standard(embedding.numpy(), CPU), Heads(8, {"cells": 5, "climate": 31})
    expected = heads(standard.of(embedding))
    standard.fold(heads)
    torch.testing.assert_close(heads(embedding), expected, rtol=1e-4, atol=1e-4)


def test_loudness_and_offset_of_channels_do_not_matter():
    def in_cell(loud, offset):
        def changed(some):
            return replace(some, embedding=(some.embedding * loud + offset).astype(np.float32))

        preset, held_out = replace(PRESET, epochs=10), changed(examples(100, 3))
        fitted = fit_heads(changed(examples(200, 1)), changed(examples(50, 2)), CENTROIDS, preset, lambda _: None)
        return (likeliest_cells(fitted.heads, OnDevice(held_out.embedding, AS_IT_IS)) == held_out.cell).mean()

    loud = np.array([1, 100, 0.01, 1, 1, 30, 1, 1])
    assert in_cell(loud, 50.0) == pytest.approx(in_cell(1.0, 0.0), abs=0.02)
    assert in_cell(loud, 50.0) > 0.95


def test_median_validation_km_chooses_the_epoch_and_patience_ends_the_training():
    lines = []
    preset = replace(PRESET, epochs=60, patience=4, learning_rate=5e-2)
    validation = examples(60, 2, noise=2.5)
    fitted = fit_heads(examples(60, 1, noise=2.5), validation, CENTROIDS, preset, lines.append)
    errors_km = [line["validation_km"] for line in lines]
    assert len(lines) < 60
    assert len(lines) == int(np.argmin(errors_km)) + 1 + 4
    cells = likeliest_cells(fitted.heads, OnDevice(validation.embedding, AS_IT_IS))
    found_km = float(np.median(haversine_km(CENTROIDS[cells], validation.lat_lng)))
    assert found_km == min(errors_km) < errors_km[0]


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    def weights(seed):
        preset = replace(PRESET, epochs=2, seed=seed)
        fitted = fit_heads(examples(50, 1), examples(9, 2), CENTROIDS, preset, lambda _: None)
        return torch.cat([weight.flatten() for weight in fitted.heads.state_dict().values()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_task_that_nobody_knows_gets_no_head():
    training = replace(examples(30, 1), tasks=nobody_knows(30))
    training.tasks.month[3] = 5
    fitted = fit_heads(training, examples(9, 2), CENTROIDS, replace(PRESET, epochs=1), lambda _: None)
    assert (set(fitted.heads), fitted.scale) == ({"cells", "month"}, None)
    without = fit_heads(training, examples(9, 2), CENTROIDS, replace(PRESET, tasks=(), epochs=1), lambda _: None)
    assert set(without.heads) == {"cells"}


def test_nothing_to_validate_on_is_refused():
    with pytest.raises(UsageError, match="found 9 and 0"):
        fit_heads(examples(9, 1), examples(0, 1), CENTROIDS, PRESET, lambda _: None)


def test_presets_are_the_published_ones():
    pigeon, pigeotto = HEADS_PRESETS["pigeon"], HEADS_PRESETS["pigeotto"]
    assert (pigeon.smoothing, pigeotto.smoothing) == (Smoothing(75.0, False), Smoothing(65.0, False))
    assert (pigeon.elevation_offset_m, pigeotto.elevation_offset_m) == (408.0, 416.0)
    assert (set(pigeon.tasks), set(pigeotto.tasks)) == ({*TASK_SIZES}, {"regression", "climate"})
    assert (pigeon.learning_rate, pigeon.weight_decay, pigeon.batch, pigeon.epochs) == (2e-5, 0.01, 1024, 1000)
    assert (len(REGRESSIONS), len(CLIMATES)) == (6, TASK_SIZES["climate"])


VIEWS = [[4], [0, 1, 2], [7, 3], [5, 6, 8, 9, 10, 2]]


def test_sample_is_the_mean_of_any_number_of_views():
    embedding = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    samples = SampleEmbeddings(embedding, VIEWS)
    expected = np.stack([embedding[views].astype(np.float64).mean(axis=0) for views in VIEWS])
    asked = np.array([3, 0, 2, 1, 1])
    np.testing.assert_allclose(samples[asked], expected[asked], rtol=1e-5)
    assert (samples.shape, len(samples), samples[asked].dtype) == ((4, 3), 4, np.float32)
    np.testing.assert_array_equal(samples[np.array([0])], embedding[[4]])


def test_embeddings_in_memory_and_in_their_file_train_alike(monkeypatch):
    training = examples(60, 1)
    singles = SampleEmbeddings(training.embedding, [[row] for row in range(60)])
    monkeypatch.setattr(head_examples, "_ROWS_AT_A_TIME", 7)
    held = in_memory(singles)
    np.testing.assert_array_equal(held, training.embedding)
    monkeypatch.setattr(head_examples, "HELD_BYTES", 60 * 8 * 4 - 1)
    assert in_memory(singles) is singles
    weights = [
        fit_heads(replace(training, embedding=kind), examples(9, 2), CENTROIDS, PRESET, lambda _: None).heads
        for kind in (held, singles)
    ]
    assert torch.equal(weights[0]["cells"].weight, weights[1]["cells"].weight)
