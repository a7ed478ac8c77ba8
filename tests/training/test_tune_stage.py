"""``train tune`` as a user calls it: alone, by two processes, killed, and with inputs that cannot be meant."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow, read_manifest, write_manifest
from pigeon_training.cells.semantic import cells_of_names
from pigeon_training.cells.store import write_cells
from pigeon_training.cli import app
from pigeon_training.data.streaming import panoramas, singles
from pigeon_training.learning.fitting.fit import tune_manifest
from pigeon_training.learning.fitting.scope import Scope
from pigeon_training.model.geocell_model import GeocellModel, Heads, new_tower
from pigeon_training.model.model_folder import FittedModel, load_model, save_model
from pigeon_training.presets import CELL_PRESETS, TUNE_PRESETS, TowerPreset, sized
from pigeon_training.testing import write_tiny_clip

pytestmark = pytest.mark.usefixtures("one_thread")

PRESET = replace(TUNE_PRESETS["toy"], epochs=2, batch=16, micro_batch=8)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return a folder with a manifest of coloured panoramas, its geocells, a fitted model and a CLIP folder."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(5)
    rows = []
    for place in range(66):
        region = place % 3
        for heading in (0.0, 90.0):
            pixels = rng.integers(0, 100, (16, 16, 3))
            pixels[..., region] += 120
            name = folder / f"{place}-{heading:.0f}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(name)
            lat_lng = (10.0 * region + rng.uniform(), 20.0 * region + 5 + rng.uniform())
            rows.append(PhotoRow(name, *lat_lng, f"p{place}", place % 12 + 1, heading, "AL", "Aland", f"R{region}"))
    write_manifest(folder / "photos.csv", rows)
    write_cells(folder / "cells", cells_of_names(rows, sized(CELL_PRESETS["toy"], 5, None)).partition)
    torch.manual_seed(3)
    tower = TowerPreset(image_size_px=16, patch_px=8, width=24, layers=2, heads=2, mlp_width=32)
    save_model(
        folder / "model", FittedModel(GeocellModel(new_tower(tower), Heads(24, {"cells": 3})), PreprocessSpec(16), None)
    )
    write_tiny_clip(folder / "clip")
    return folder


def tuned(world, out, preset=PRESET, model="model", sampling=singles, lines=None):
    say = [].append if lines is None else lines.append
    tune_manifest(str(world / model), world / "photos.csv", world / "cells", out, preset, Scope.ALL, sampling, say)
    return load_model(out)


def log_of(folder):
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_run_leaves_a_model_with_its_log_and_settings(world, tmp_path):
    lines = []
    fitted = tuned(world, tmp_path / "out", lines=lines)
    log = log_of(tmp_path / "out")
    assert [row["epoch"] for row in log] == ["1", "2"]
    assert float(log[1]["loss"]) < float(log[0]["loss"])
    assert set(fitted.model.heads) == {"cells"}
    assert len(fitted.cell_ids) == 3
    assert json.loads((tmp_path / "out" / "training.json").read_text())["preset"]["smoothing"]["tau_km"] == 250.0
    assert not (tmp_path / "out.run").exists()
    assert lines[1] == "pigeon-edge: heads: goes on with: cells"
    assert lines[-1].startswith("epoch 2/2: loss ")


def test_panoramas_are_fewer_samples(world, tmp_path):
    lines = []
    tuned(world, tmp_path / "one", lines=lines)
    tuned(world, tmp_path / "two", sampling=panoramas, lines=lines)
    counts = [int(line.split()[1]) for line in lines if "samples to train on" in line]
    assert counts[0] == 2 * counts[1]


def test_clip_tower_gets_heads_of_the_tasks_that_the_manifest_tells(world, tmp_path):
    lines = []
    preset = replace(PRESET, tasks=("regression", "climate", "month"))
    fitted = tuned(world, tmp_path / "out", preset, model="clip", lines=lines)
    assert set(fitted.model.heads) == {"cells", "month"}
    assert fitted.scale is None
    assert lines[1] == (
        "pigeon-edge: heads: new: cells, month; left out, as no photograph knows a target: regression, climate"
    )
    assert {"loss_cells", "loss_month"} <= set(log_of(tmp_path / "out")[0])


def interrupted_at(epoch):
    def say(line):
        if line.startswith(f"epoch {epoch}/"):
            raise KeyboardInterrupt

    return say


def tune_until(world, out, preset, say):
    with pytest.raises(KeyboardInterrupt):
        tune_manifest(str(world / "model"), world / "photos.csv", world / "cells", out, preset, Scope.ALL, singles, say)


def test_killed_run_leaves_its_log_and_its_best_model(world, tmp_path):
    tune_until(world, tmp_path / "out", PRESET, interrupted_at(1))
    assert not (tmp_path / "out").exists()
    assert len(log_of(tmp_path / "out.run")) == 1
    assert load_model(tmp_path / "out.run" / "best").model.heads["cells"].out_features == 3


def test_interrupted_run_goes_on_with_the_result_of_one_that_was_not(world, tmp_path):
    preset = replace(PRESET, epochs=3)
    whole = tuned(world, tmp_path / "whole", preset)
    tune_until(world, tmp_path / "out", preset, interrupted_at(2))  # before epoch 2 is kept
    assert len(log_of(tmp_path / "out.run")) == 2
    lines = []
    resumed = tuned(world, tmp_path / "out", preset, lines=lines)
    assert "pigeon-edge: going on after epoch 1 of 3 of an interrupted run" in lines
    assert not (tmp_path / "out.run").exists()
    assert (tmp_path / "out" / "log.csv").read_text() == (tmp_path / "whole" / "log.csv").read_text()
    for name, weight in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], weight, rtol=0, atol=0, msg=name)


def test_run_of_other_inputs_begins_anew_and_says_so(world, tmp_path):
    tune_until(world, tmp_path / "out", replace(PRESET, epochs=3), interrupted_at(2))
    lines = []
    tuned(world, tmp_path / "out", replace(PRESET, epochs=3, learning_rate=PRESET.learning_rate / 2), lines=lines)
    assert "of an unfinished run is replaced: of other inputs, or without an epoch" in lines[0]
    assert len(log_of(tmp_path / "out")) == 3


def test_torn_state_begins_anew(world, tmp_path):
    preset = replace(PRESET, epochs=2)
    tune_until(world, tmp_path / "out", preset, interrupted_at(2))
    state = tmp_path / "out.run" / "state.pt"
    state.write_bytes(state.read_bytes()[:100])
    lines = []
    tuned(world, tmp_path / "out", preset, lines=lines)
    assert "of an unfinished run is replaced" in lines[0]


def program(world, out, *options):
    inputs = ["--manifest", str(world / "photos.csv"), "--cells", str(world / "cells"), "--preset", "toy"]
    return ["train", "tune", str(world / "model"), *inputs, "--epochs", "2", "--out", str(out), *options]


def torchrun(arguments):
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


def test_two_processes_have_the_loss_curve_and_weights_of_one(world, tmp_path):
    result = torchrun(["pigeon_edge", *program(world, tmp_path / "two", "--blocks", "all", "--micro-batch", "5")])
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("samples to train on") == 1
    assert CliRunner().invoke(app, program(world, tmp_path / "one", "--blocks", "all")[1:]).exit_code == 0
    two, one = log_of(tmp_path / "two"), log_of(tmp_path / "one")
    assert len(two) == len(one) == 2
    for mine, theirs in zip(two, one, strict=True):
        assert {k: float(v) for k, v in mine.items()} == pytest.approx(
            {k: float(v) for k, v in theirs.items()}, rel=1e-4
        )
    expected = load_model(tmp_path / "one").model.state_dict()
    for name, weight in load_model(tmp_path / "two").model.state_dict().items():
        # A key's bias cancels in the softmax: its gradient is rounding alone, which AdamW makes steps of.
        if not name.endswith("k_proj.bias"):
            torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=1e-4, msg=name)


ONE_FAILS = """
from pigeon_training.learning.fitting.parallel import started_processes
with started_processes() as processes:
    processes.gather(processes.rank)
    if processes.rank == 1:
        raise SystemExit(5)
    processes.gather(processes.rank)
"""


def test_process_that_fails_ends_the_others():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    first, second = (
        subprocess.Popen(
            [sys.executable, "-c", ONE_FAILS], env={**os.environ, **place, "RANK": str(rank)}, stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    )  # fmt: skip
    _, told = first.communicate(timeout=60)
    second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (1, 5)
    assert "PigeonError: another process of this training ended or does not answer" in told


def test_cells_of_other_photographs_are_refused(world, tmp_path):
    rows = [replace(row, country="Elsewhere") for row in read_manifest(world / "photos.csv")]
    write_cells(tmp_path / "cells", cells_of_names(rows, sized(CELL_PRESETS["toy"], 5, None)).partition)
    with pytest.raises(InputError, match=r"none of the photographs of .* lies in a region of these geocells"):
        tune_manifest(
            str(world / "model"), world / "photos.csv", tmp_path / "cells", tmp_path / "out", PRESET, Scope.ALL,
            singles, print,
        )  # fmt: skip


def test_manifest_without_a_split_is_refused(world, tmp_path):
    rows = [row for row in read_manifest(world / "photos.csv") if row.split.value != "train"]
    write_manifest(world / "held-out.csv", rows)
    with pytest.raises(InputError, match="none of its places falls into the train split"):
        tune_manifest(
            str(world / "model"), world / "held-out.csv", world / "cells", tmp_path / "out", PRESET, Scope.ALL,
            singles, print,
        )  # fmt: skip
    assert not (tmp_path / "out.run").exists()
