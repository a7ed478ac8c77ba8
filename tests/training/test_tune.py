"""Fine-tuning: what moves and what does not, exact division into parts, heads, panoramas, and what a run leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pigeon_edge.errors import InputError, PigeonError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow
from pigeon_training.data.streaming import PhotoStream
from pigeon_training.data.tasks import REGRESSIONS, TaskTargets, fit_scale
from pigeon_training.learning.fitting import loop
from pigeon_training.learning.fitting.examples import Examples, FittingData
from pigeon_training.learning.fitting.fit import read_start
from pigeon_training.learning.fitting.loop import add_gradients, rate_share, validate
from pigeon_training.learning.fitting.objective import TasksObjective
from pigeon_training.learning.fitting.parallel import Processes
from pigeon_training.learning.fitting.scope import Scope, train_only
from pigeon_training.learning.fitting.tune import heads_for, tune
from pigeon_training.learning.losses import (
    TASK_WEIGHTS,
    haversine_targets,
    soft_cross_entropy,
    sphere_tensor,
    task_losses,
)
from pigeon_training.model.geocell_model import GeocellModel, Heads, new_tower
from pigeon_training.model.model_folder import FittedModel
from pigeon_training.presets import TUNE_PRESETS, TowerPreset, TunePreset
from pigeon_training.smoothing import Smoothing
from pigeon_training.testing import write_tiny_clip

pytestmark = pytest.mark.usefixtures("one_thread")

SPEC = PreprocessSpec(16)
CENTROIDS = np.array([[10.0, 10.0], [45.0, -100.0], [-30.0, 150.0]])
TOWER = TowerPreset(image_size_px=16, patch_px=8, width=24, layers=3, heads=2, mlp_width=32)
ALL_TASKS = ("regression", "climate", "month")
PRESET = TunePreset(
    smoothing=Smoothing(500.0), epochs=4, batch=12, micro_batch=12, learning_rate=5e-3, weight_decay=0.01, warmup=0.1
)


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """Return a maker of examples with one view or more: red in cell 0, green in cell 1, blue in cell 2."""

    def make(views_of, seed):
        rng = np.random.default_rng(seed)
        folder = tmp_path_factory.mktemp("pictures")
        cell = np.arange(len(views_of)) % 3
        lat_lng = CENTROIDS[cell] + rng.uniform(-1, 1, (len(cell), 2))
        samples = []
        for place, views in enumerate(views_of):
            pixels = rng.integers(0, 100, (views, 16, 16, 3))
            pixels[..., cell[place]] += 120
            names = [folder / f"{place}-{view}.png" for view in range(views)]
            for name, picture in zip(names, pixels.astype(np.uint8), strict=True):
                Image.fromarray(picture).save(name)
            samples.append(tuple(PhotoRow(name, *lat_lng[place], f"p{place}") for name in names))
        return Examples(samples, lat_lng, cell, some_targets(len(cell), rng))

    return make


def some_targets(count, rng):
    """Targets of which many are unknown."""
    regression = rng.uniform(1, 500, (count, 6))
    regression[rng.random((count, 6)) < 0.4] = np.nan
    month = rng.integers(0, 12, count)
    month[::3] = -1
    climate = rng.integers(0, 28, count)
    climate[1::2] = -1
    return TaskTargets(regression, climate, month)


@pytest.fixture(scope="module")
def data(coloured):
    return FittingData(coloured([1] * 30, 1), coloured([1] * 9, 2), CENTROIDS)


def start_model(seed=4, sizes=(("cells", 3),), cell_ids=None):
    torch.manual_seed(seed)
    return FittedModel(GeocellModel(new_tower(TOWER), Heads(24, dict(sizes))).eval(), SPEC, None, cell_ids)


def silent(report, fitted):
    pass


def changed(before, model):
    return {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}


def copy_of(model):
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def test_last_block_leaves_the_rest_untouched_to_the_bit(data):
    start = start_model()
    before = copy_of(start.model)
    tuned = tune(start, data, PRESET, Scope.LAST_BLOCK, silent)
    moved = changed(before, tuned.model)
    assert moved == {n for n in before if n.startswith(("tower.encoder.layers.2.", "heads."))}


def test_all_moves_every_weight_but_the_norm_that_embeddings_do_not_pass(data):
    start = start_model()
    before = copy_of(start.model)
    tuned = tune(start, data, PRESET, Scope.ALL, silent)
    assert set(before) - changed(before, tuned.model) == {"tower.post_layernorm.weight", "tower.post_layernorm.bias"}


def saved_tensors(scope, layers, part):
    """Count what autograd keeps for the backward pass."""
    torch.manual_seed(1)
    model = GeocellModel(new_tower(replace(TOWER, layers=layers)), Heads(24, {"cells": 3})).eval()
    train_only(model, scope)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        model(torch.zeros(part, 3, 16, 16))
    return len(kept)


def test_frozen_blocks_keep_no_activations():
    assert saved_tensors(Scope.LAST_BLOCK, 5, 2) == saved_tensors(Scope.LAST_BLOCK, 1, 2) > 0
    assert saved_tensors(Scope.ALL, 5, 2) > 3 * saved_tensors(Scope.ALL, 1, 2)


@pytest.mark.parametrize("scope", list(Scope))
def test_colours_are_learnt(data, coloured, scope):
    reports = []
    preset = replace(PRESET, epochs=16, learning_rate=1e-2)
    tuned = tune(start_model(), data, preset, scope, lambda report, _: reports.append(report))
    error_km, _ = validate(tuned, FittingData(data.training, coloured([1] * 60, 3), CENTROIDS), PRESET, Processes())
    assert np.median(error_km) < 200
    assert (error_km < 200).mean() > 0.9
    assert reports[-1].loss < reports[0].loss


def gradients_in_chunks(data, chunk, parts=1):
    prepared = heads_for(start_model(), data, replace(PRESET, tasks=ALL_TASKS))
    train_only(prepared.model, Scope.ALL)
    objective = TasksObjective(data, replace(PRESET, tasks=ALL_TASKS), prepared)
    losses = {}
    for part in range(parts):
        stream = PhotoStream(data.training.samples, SPEC, 18, part=part, parts=parts, chunk=chunk)
        whole = stream.whole_batches(0)[0]
        for batch in stream.batches(0):
            if batch.step == 0:
                for name, loss in add_gradients(prepared.model, objective, batch, whole).items():
                    losses[name] = losses.get(name, 0.0) + float(loss)
    return losses, {name: weight.grad for name, weight in prepared.model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize(("chunk", "parts"), [(5, 1), (1, 1), (18, 3), (4, 2)])
def test_gradients_do_not_depend_on_how_a_batch_is_divided(coloured, chunk, parts):
    data = FittingData(coloured([1, 3, 2] * 8, 6), coloured([1], 2), CENTROIDS)
    whole_losses, whole = gradients_in_chunks(data, 18)
    losses, divided = gradients_in_chunks(data, chunk, parts)
    assert losses == pytest.approx(whole_losses, rel=1e-5)
    assert set(losses) == {"cells", *ALL_TASKS}
    for name, gradient in whole.items():
        torch.testing.assert_close(divided[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_loss_is_the_formula_over_the_whole_batch(data):
    losses, _ = gradients_in_chunks(data, 5)
    prepared = heads_for(start_model(), data, replace(PRESET, tasks=ALL_TASKS))
    stream = PhotoStream(data.training.samples, SPEC, 18)
    (batch, *_), numbers = list(stream.batches(0)), stream.whole_batches(0)[0]
    pixels = (torch.from_numpy(batch.pixels).permute(0, 3, 1, 2) / 255 - torch.tensor(SPEC.mean).view(3, 1, 1)) / (
        torch.tensor(SPEC.std).view(3, 1, 1)
    )
    with torch.no_grad():
        _, outputs = prepared.model(pixels.float())
    training = data.training
    cell_targets = haversine_targets(
        sphere_tensor(training.lat_lng[numbers]), torch.from_numpy(training.cell[numbers]), sphere_tensor(CENTROIDS),
        PRESET.smoothing,
    )  # fmt: skip
    some = training.tasks.take(numbers)
    scale = fit_scale(training.tasks.regression, PRESET.elevation_offset_m)
    targets = {
        "regression": torch.from_numpy(scale.standard(some.regression)).float(),
        "climate": torch.from_numpy(some.climate),
        "month": torch.from_numpy(some.month),
    }
    expected = {n: TASK_WEIGHTS[n] * float(loss) for n, loss in task_losses(outputs, targets).items()}
    expected["cells"] = float(soft_cross_entropy(outputs["cells"], cell_targets))
    assert losses == pytest.approx(expected, rel=1e-4)


def test_same_seed_gives_the_same_weights(data):
    first, second = (tune(start_model(), data, PRESET, Scope.ALL, silent).model.state_dict() for _ in range(2))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_bfloat16_learns_with_weights_and_losses_in_float32(data, monkeypatch):
    monkeypatch.setattr("pigeon_training.matrix_precision.bfloat16_instructions", lambda: "any")
    reports = []
    preset = replace(PRESET, bfloat16=True, epochs=12, learning_rate=1e-2)
    tuned = tune(start_model(), data, preset, Scope.ALL, lambda report, _: reports.append(report))
    assert {weight.dtype for weight in tuned.model.parameters()} == {torch.float32}
    assert reports[-1].loss < 0.5 * reports[0].loss
    exact = []
    tune(start_model(), data, replace(preset, bfloat16=False, epochs=1), Scope.ALL, lambda r, _: exact.append(r))
    assert reports[0].loss != exact[0].loss


def test_views_of_any_number_are_one_sample(coloured):
    data = FittingData(coloured([1, 2, 3, 4, 7] * 6, 8), coloured([2, 5, 1] * 3, 9), CENTROIDS)
    reports = []
    tuned = tune(
        start_model(), data, replace(PRESET, epochs=16, learning_rate=1e-2, micro_batch=5), Scope.LAST_BLOCK,
        lambda report, _: reports.append(report),
    )  # fmt: skip
    error_km, _ = validate(tuned, data, PRESET, Processes())
    assert len(error_km) == 9
    assert np.median(error_km) < 200


def test_training_stops_after_patience_and_keeps_the_best_epoch(data, monkeypatch):
    medians = iter([900.0, 300.0, 400.0, 500.0, 100.0])
    monkeypatch.setattr(loop, "validate", lambda *_: (np.array([next(medians)]), []))
    reports, weights = [], []

    def after_epoch(report, fitted):
        reports.append(report)
        weights.append(copy_of(fitted.model))

    tuned = tune(start_model(), data, replace(PRESET, epochs=5, patience=2), Scope.ALL, after_epoch)
    assert [report.best for report in reports] == [True, True, False, False]
    assert not changed(weights[1], tuned.model)
    assert changed(weights[3], tuned.model)


def test_loss_that_is_no_number_is_an_error(data):
    start = start_model()
    with torch.no_grad():
        start.model.heads["cells"].bias.fill_(float("nan"))
    with pytest.raises(PigeonError, match="lower learning rate"):
        tune(start, data, PRESET, Scope.ALL, silent)


def test_unreadable_photographs_are_reported_and_the_rest_is_trained_on(coloured):
    training, validation = coloured([1] * 12, 1), coloured([1] * 3, 2)
    training.samples[5][0].path.write_bytes(b"no image")
    validation.samples[1][0].path.unlink()
    reports = []
    tune(start_model(), FittingData(training, validation, CENTROIDS), replace(PRESET, epochs=1), Scope.ALL,
         lambda report, _: reports.append(report))  # fmt: skip
    lost = {training.samples[5][0], validation.samples[1][0]}
    assert {unreadable.row for unreadable in reports[0].unreadable} == lost
    assert reports[0].numbers()["unreadable"] == 2


def test_rate_rises_and_falls():
    rates = [rate_share(step, 100, 0.1) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert rate_share(0, 1, 0.1) == 1.0


def test_micro_batch_is_bounded_by_the_number_of_geocells(coloured):
    many = np.stack([np.linspace(-80, 80, 100), np.linspace(-170, 170, 100)], axis=1)
    data = FittingData(coloured([1] * 6, 1), coloured([1], 2), many)
    taken = []
    preset = replace(PRESET, epochs=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "MAX_BLOCK", 250)
        patch.setattr(
            loop,
            "add_gradients",
            lambda m, o, part, whole: taken.append(len(part.numbers)) or add_gradients(m, o, part, whole),
        )
        tune(start_model(), data, preset, Scope.ALL, silent)
    assert taken == [2, 2, 2]


def heads_of(start, data, tasks=()):
    return heads_for(start, data, replace(PRESET, tasks=tasks))


def test_head_for_the_same_cells_is_gone_on_with(data):
    named = replace(data, cell_ids=("a", "b", "c"))
    start = start_model(cell_ids=("a", "b", "c"))
    assert torch.equal(heads_of(start, named).model.heads["cells"].weight, start.model.heads["cells"].weight)
    assert heads_of(start, named).cell_ids == ("a", "b", "c")


@pytest.mark.parametrize(("count", "ids"), [(3, ("a", "b", "d")), (4, ("a", "b", "c", "d"))])
def test_head_for_other_cells_is_not_gone_on_with(data, count, ids):
    start = start_model(sizes=(("cells", count),), cell_ids=ids)
    heads = heads_of(start, replace(data, cell_ids=("a", "b", "c"))).model.heads
    assert heads["cells"].out_features == 3
    assert not torch.equal(heads["cells"].weight, start.model.heads["cells"].weight[:3])


def test_heads_are_of_the_tasks_that_photographs_know(data):
    unknown = replace(data.training.tasks, month=np.full(30, -1))
    partly = replace(data, training=replace(data.training, tasks=unknown))
    assert set(heads_of(start_model(), data, ALL_TASKS).model.heads) == {"cells", *ALL_TASKS}
    assert set(heads_of(start_model(), partly, ALL_TASKS).model.heads) == {"cells", "regression", "climate"}
    assert set(heads_of(start_model(), data, ()).model.heads) == {"cells"}


def test_scale_is_that_of_the_training_examples_or_that_of_the_head_gone_on_with(data):
    prepared = heads_of(start_model(), data, ALL_TASKS)
    assert prepared.scale == fit_scale(data.training.tasks.regression, 408.0)
    others = fit_scale(np.random.default_rng(1).uniform(1, 9, (5, 6)), 416.0)
    assert heads_of(replace(prepared, scale=others), data, ALL_TASKS).scale == others
    lacking = replace(others, mean=(None, *others.mean[1:]), deviation=(None, *others.deviation[1:]))
    completed = heads_of(replace(prepared, scale=lacking), data, ALL_TASKS).scale
    assert completed == lacking.completed(data.training.tasks.regression)
    assert completed.trained == REGRESSIONS
    assert heads_of(start_model(), data, ()).scale is None


@pytest.mark.parametrize("name", TUNE_PRESETS)
def test_presets_train_in_micro_batches_of_a_batch(name):
    preset = TUNE_PRESETS[name]
    assert preset.batch % preset.micro_batch == 0
    assert (preset.smoothing.tau_km, preset.elevation_offset_m) == {
        "pigeon": (75.0, 408.0), "pigeotto": (65.0, 416.0), "toy": (250.0, 408.0),
    }[name]  # fmt: skip


def test_clip_folder_is_a_start_without_heads(tmp_path):
    start = read_start(str(write_tiny_clip(tmp_path / "clip")))
    assert len(start.model.heads) == 0
    assert start.spec.size_px == 32
    with pytest.raises(InputError, match="CLIP folder or hub id"):
        read_start(str(tmp_path / "nothing"))
