"""Training on a few coloured pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow
from pigeon_edge.system.instructions import bfloat16_instructions
from pigeon_export.graph.to_onnx import load_tower, read_heads, read_spec
from pigeon_training.data.tasks import TASK_SIZES, RegressionScale
from pigeon_training.learning.fitting.checkpoint import Checkpoint
from pigeon_training.learning.fitting.examples import Examples, FittingData
from pigeon_training.learning.fitting.fit import fit_manifest
from pigeon_training.learning.fitting.from_nothing import fit
from pigeon_training.learning.fitting.loop import validate
from pigeon_training.learning.fitting.parallel import Processes
from pigeon_training.model.geocell_model import GeocellModel, Heads, new_tower, normalise, planes
from pigeon_training.model.model_folder import FittedModel, load_model, save_model
from pigeon_training.presets import FitPreset, TowerPreset

pytestmark = pytest.mark.usefixtures("one_thread")

SPEC = PreprocessSpec(16)
CENTROIDS = np.array([[10.0, 10.0], [45.0, -100.0], [-30.0, 150.0]])
PRESET = FitPreset(
    tower=TowerPreset(image_size_px=16, patch_px=8, width=24, layers=1, heads=2, mlp_width=32),
    tau_km=500.0, epochs=8, batch=12, micro_batch=12, learning_rate=1e-2, weight_decay=0.01, warmup=0.1,
    colour_strength=0.05, consistency_weight=1.0, bfloat16=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """Return a maker of noisy pictures: red in cell 0, green in cell 1, blue in cell 2."""

    def make(count, seed):
        rng = np.random.default_rng(seed)
        cell = np.arange(count) % 3
        lat_lng = CENTROIDS[cell] + rng.uniform(-1, 1, (count, 2))
        folder = tmp_path_factory.mktemp("pictures")
        samples = []
        for number, pixels in enumerate(noisy_pixels(cell, rng)):
            Image.fromarray(pixels).save(folder / f"{number}.png")
            samples.append((PhotoRow(folder / f"{number}.png", *lat_lng[number], f"p{number}"),))
        return Examples(samples, lat_lng, cell)

    return make


def noisy_pixels(cell, rng):
    pixels = rng.integers(0, 100, (len(cell), 16, 16, 3))
    pixels[np.arange(len(cell)), :, :, cell] += 120
    return pixels.astype(np.uint8)


def pixel_values_of(count, seed):
    pixels = noisy_pixels(np.arange(count) % 3, np.random.default_rng(seed))
    return normalise(planes(torch.from_numpy(pixels)), SPEC)


def errors_km(fitted, examples):
    errors, unreadable = validate(fitted, FittingData(examples, examples, CENTROIDS), PRESET, Processes())
    assert not unreadable
    return errors


@pytest.fixture(scope="module")
def data(coloured):
    return FittingData(coloured(36, 1), coloured(9, 2), CENTROIDS)


@pytest.fixture(scope="module")
def fitted(data):
    reports = []
    return fit(data, PRESET, lambda report, _: reports.append(report)), reports


def silent(report, fitted):
    pass


def test_colours_are_learnt(fitted, coloured):
    assert errors_km(fitted[0], coloured(60, 3)).max() < 200


def test_untrained_model_knows_nothing_of_them(coloured):
    torch.manual_seed(1)
    model = GeocellModel(new_tower(PRESET.tower), Heads(24, {"cells": 3}))
    assert (errors_km(FittedModel(model, SPEC, None), coloured(60, 3)) >= 200).mean() > 0.4


def test_each_epoch_is_reported(fitted, data):
    model, reports = fitted
    assert [report.epoch for report in reports] == list(range(1, 9))
    assert reports[-1].loss < reports[0].loss
    assert reports[-1].loss == sum(reports[-1].losses.values())
    assert set(reports[-1].losses) == {"cells", "consistency"}
    best_km = min(report.validation_km for report in reports)
    assert [report.validation_km for report in reports if report.best][-1] == best_km
    assert np.median(errors_km(model, data.validation)) == best_km


def test_same_seed_gives_the_same_weights(fitted, data):
    again = fit(data, PRESET, silent)
    expected = fitted[0].model.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in again.model.state_dict().items())


def test_fewer_photographs_than_a_batch_are_trained_on_all_the_same(coloured):
    few = coloured(9, 1)
    fitted = fit(FittingData(few, few, CENTROIDS), replace(PRESET, epochs=24, batch=128), silent)
    assert errors_km(fitted, few).max() < 200


def test_saved_model_loads_for_export_with_its_heads(fitted, tmp_path):
    model = fitted[0].model
    save_model(tmp_path / "model", fitted[0])
    tower, heads = load_tower(str(tmp_path / "model")), read_heads(tmp_path / "model")
    assert read_spec(str(tmp_path / "model"), tower) == SPEC
    np.testing.assert_array_equal(heads["cells.weight"], model.heads["cells"].weight.detach().numpy())
    pixel_values = pixel_values_of(3, 4)
    with torch.inference_mode():
        embedding = tower(pixel_values=pixel_values).last_hidden_state.mean(dim=1)
        logits = embedding @ torch.from_numpy(heads["cells.weight"]).T + torch.from_numpy(heads["cells.bias"])
        torch.testing.assert_close(logits, model(pixel_values)[1]["cells"])


def test_saved_model_loads_with_every_head_and_its_scale(tmp_path):
    scale = RegressionScale(408.0, (1.0,) * 6, (2.0,) * 6)
    model = GeocellModel(new_tower(PRESET.tower), Heads(24, {"cells": 3, **TASK_SIZES})).eval()
    save_model(tmp_path / "model", FittedModel(model, SPEC, scale, ("a", "b", "c")))
    found = load_model(tmp_path / "model")
    assert (found.spec, found.scale, found.cell_ids) == (SPEC, scale, ("a", "b", "c"))
    pixel_values = pixel_values_of(3, 4)
    with torch.inference_mode():
        (embedding, outputs), (expected_embedding, expected) = found.model(pixel_values), model(pixel_values)
    torch.testing.assert_close(embedding, expected_embedding)
    assert outputs.keys() == expected.keys() == {"cells", "regression", "climate", "month"}
    torch.testing.assert_close(outputs, expected)


@pytest.mark.parametrize("file", ["heads.safetensors", "heads.json", "config.json"])
def test_folder_that_lacks_a_file_is_no_model(tmp_path, file):
    model = GeocellModel(new_tower(PRESET.tower), Heads(24, {"cells": 3}))
    save_model(tmp_path / "model", FittedModel(model, SPEC, scale=None))
    (tmp_path / "model" / file).unlink()
    with pytest.raises(InputError, match=r"train fit|save_pretrained"):
        load_model(tmp_path / "model")


def test_views_of_a_sample_are_averaged():
    model = GeocellModel(new_tower(PRESET.tower), Heads(24, {"cells": 3})).eval()
    pixel_values = pixel_values_of(4, 4)
    with torch.inference_mode():
        alone, _ = model(pixel_values)
        together, outputs = model(pixel_values, torch.tensor([0, 1, 0, 0]))
    torch.testing.assert_close(together, torch.stack([alone[[0, 2, 3]].mean(dim=0), alone[1]]))
    assert outputs["cells"].shape == (2, 3)


def test_normalised_pixels_are_those_of_the_formula():
    pixels = np.random.default_rng(6).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    expected = ((pixels / 255.0 - np.array(SPEC.mean)) / np.array(SPEC.std)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(normalise(planes(torch.from_numpy(pixels)), SPEC), expected, atol=1e-5)


def test_manifest_becomes_a_model_folder(tmp_path, album, rows_of):
    from pigeon_training.cells.semantic import cells_of_names
    from pigeon_training.cells.store import write_cells
    from pigeon_training.presets import CELL_PRESETS, sized

    rows = [r for n in range(3) for r in rows_of(f"R{n}", 20, 10.0 * n, 20.0 * n + 5)]
    rows = [type(r)(**{**vars(r), "path": r.path.with_suffix(".png")}) for r in rows]
    manifest = album(rows)
    write_cells(tmp_path / "cells", cells_of_names(rows, sized(CELL_PRESETS["toy"], 5, None)).partition)
    lines = []
    fit_manifest(manifest, tmp_path / "cells", tmp_path / "model", replace(PRESET, epochs=1), lines.append)
    trained, validated = (sum(r.split.value == name for r in rows) for name in ("train", "validation"))
    counts, _, products = lines[0].partition("; products in ")
    assert counts == f"pigeon-edge: {trained} samples to train on, {validated} to validate on"
    assert products == ("bfloat16" if bfloat16_instructions() else "float32")
    assert lines[1].startswith("epoch 1/1: loss ")
    assert lines[1].endswith(" km by centroid")
    assert read_heads(tmp_path / "model")["cells.weight"].shape == (3, 24)


def test_interrupted_fit_goes_on_with_the_very_weights(data, tmp_path):
    """With the same colours of its cameras too, which are drawn at random."""
    preset = replace(PRESET, epochs=3)

    def stop_at_two(report, fitted):
        if report.epoch == 2:
            raise KeyboardInterrupt

    whole = fit(data, preset, silent)
    with pytest.raises(KeyboardInterrupt):
        fit(data, preset, stop_at_two, checkpoint=Checkpoint(tmp_path, 0, goes_on=False))
    epochs = []
    resumed = fit(
        data,
        preset,
        lambda report, _: epochs.append(report.epoch),
        checkpoint=Checkpoint(tmp_path, 0, goes_on=True),
    )
    assert epochs == [2, 3]
    for name, weight in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], weight, rtol=0, atol=0, msg=name)
