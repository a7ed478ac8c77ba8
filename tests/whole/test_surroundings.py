"""From the columns of a manifest to what a user reads: task heads on the quick planet, packed and located with."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from pigeon_edge.bundle.format import open_bundle, verify
from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.task_columns import read_task_targets
from pigeon_training.data.tasks import REGRESSIONS

pytestmark = pytest.mark.slow


def program(folder, *arguments):
    line = [sys.executable, "-m", "pigeon_edge", *map(str, arguments)]
    result = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def telling(planet, tmp_path_factory):
    """Return a bundle of the quick planet's tower with heads of all tasks, made by the commands of a user."""
    folder, manifest = tmp_path_factory.mktemp("telling"), planet / "photographs" / "manifest.csv"
    model, cells = planet / "model", planet / "cells"
    program(folder, "train", "embed", model, "--manifest", manifest, "--out", "embeddings")
    program(
        folder, "train", "heads", model, "--embeddings", "embeddings", "--manifest", manifest, "--cells", cells,
        "--preset", "toy", "--out", "model",
    )  # fmt: skip
    program(folder, "export", "onnx", "model", "--out", "encoder.onnx")
    program(
        folder, "calibrate", "int8", "encoder.onnx", "--images", manifest, "--limit", "64", "--out", "encoder.int8.onnx"
    )
    program(
        folder, "export", "pack", "--encoder", "encoder.int8.onnx", "--cells", cells, "--gallery", planet / "gallery",
        "--probes", planet / "samples", "--name", "telling", "--out", "telling.pigeon",
    )  # fmt: skip
    return folder / "telling.pigeon"


@pytest.fixture(scope="module")
def told(telling, held_out, tmp_path_factory):
    """Return what the bundle tells of the surroundings of each held-out photograph."""
    paths = [row.path for row in held_out]
    lines = program(tmp_path_factory.mktemp("run"), "locate", *paths, "--json", "--bundle", telling).splitlines()
    return [json.loads(line)["environment"] for line in lines]


@pytest.fixture(scope="module")
def truth(planet, held_out):
    return read_task_targets(planet / "photographs" / "manifest.csv", held_out)


def test_bundle_verifies_and_its_card_says_what_it_tells(telling):
    verify(open_bundle(telling))
    card = (telling / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Also estimated from the photograph alone: elevation_m, population_per_km2, temperature_c, " in card


@pytest.mark.parametrize("name", REGRESSIONS)
def test_places_that_have_more_of_it_are_told_more_of_it(told, truth, name):
    values = np.array([one[{"population": "population_per_km2"}.get(name, name)] for one in told])
    actual = truth.regression[:, REGRESSIONS.index(name)]
    more = actual > np.median(actual)
    assert values[more].mean() > values[~more].mean()
    ranks = [np.argsort(np.argsort(side)) for side in (values, actual)]
    assert np.corrcoef(ranks)[0, 1] > 0.1


def test_climate_is_told_better_than_by_the_commonest(told, truth):
    right = np.mean(
        [CLIMATES.index(one["climate"]["value"]) == code for one, code in zip(told, truth.climate, strict=True)]
    )
    assert right > 1.3 * np.bincount(truth.climate).max() / len(truth.climate)


def test_table_shows_two_lines_a_photograph(telling, planet, tmp_path):
    lines = program(tmp_path, "locate", planet / "samples", "--bundle", telling).splitlines()
    assert len(lines) == 1 + 3 * 24
    assert [line.startswith("    estimated: ") for line in lines[1:]] == [False, True, True] * 24
    assert all(" m above the sea; " in line or " m below the sea; " in line for line in lines[2::3])
