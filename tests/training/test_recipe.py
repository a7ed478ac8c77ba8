"""The whole path as a list of commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pigeon_edge.errors import PigeonError, UsageError
from pigeon_training.planet import recipe
from pigeon_training.planet.recipe import make_planet, stages
from pigeon_training.presets import FIT_PRESETS, PLANET_PRESETS

WRITING = ("--out", "--report", "--plot")


def named_paths(stage, out, options_wanted):
    """Return the paths below ``out`` that a command line names, by whether a writing option stands before them."""
    pairs = zip(("", *stage.arguments), stage.arguments, strict=False)
    return [Path(a) for option, a in pairs if a.startswith(str(out)) and (option in WRITING) == options_wanted]


def test_stages_are_in_order():
    commands = [stage.arguments[:2] for stage in stages(Path("out"), "quick", 7)]
    assert [" ".join(command) for command in commands] == [
        "train render", "train cells", "train fit", "export onnx", "calibrate int8", "train gallery", "train samples",
        "export pack", "calibrate confidence", "train evaluate", "export pack",
    ]  # fmt: skip


@pytest.mark.parametrize("size", sorted(PLANET_PRESETS))
def test_each_stage_reads_only_what_earlier_ones_wrote(tmp_path, size):
    written: set[Path] = set()
    reads = 0
    for stage in stages(tmp_path, size, 7):
        for path in named_paths(stage, tmp_path, False):
            reads += 1
            assert path in written or path.parent in written, f"{path} is read before it is written"
        written |= set(named_paths(stage, tmp_path, True))
        assert stage.output in written
    assert reads > 20


def test_no_stage_writes_what_it_or_another_wrote(tmp_path):
    made = [stage.output for stage in stages(tmp_path, "quick", 7)]
    assert len(set(made)) == len(made)
    assert all(path.parent == tmp_path for path in made)


def test_gallery_and_confidence_use_the_graph_that_ships(tmp_path):
    by_output = {stage.output.name: stage.arguments for stage in stages(tmp_path, "full", 7)}
    for output in ("gallery", "draft.pigeon", "toy-planet.pigeon"):
        assert str(tmp_path / "encoder.int8.onnx") in by_output[output]
    assert str(tmp_path / "draft.pigeon") in by_output["confidence.json"]


def test_presets_name_presets_that_exist():
    assert {preset.fit for preset in PLANET_PRESETS.values()} == set(FIT_PRESETS)


@pytest.fixture
def ran(monkeypatch):
    """Replace the stages' programs: each makes its output, and its name is noted."""
    names = []

    def run(stage):
        names.append(stage.output.name)
        stage.output.write_text("made")

    monkeypatch.setattr(recipe, "_run", run)
    return names


def test_finished_stages_are_skipped(tmp_path, ran):
    assert make_planet(tmp_path, "quick", 7) == tmp_path / "toy-planet.pigeon"
    assert len(ran) == 11
    ran.clear()
    (tmp_path / "cells").unlink()
    make_planet(tmp_path, "quick", 7)
    assert ran == ["cells"]


@pytest.mark.parametrize("other", [("full", 7), ("quick", 8)])
def test_folder_of_another_planet_is_refused(tmp_path, ran, other):
    make_planet(tmp_path, "quick", 7)
    ran.clear()
    with pytest.raises(UsageError, match=r"holds a planet of other settings than .*; choose another folder or remove"):
        make_planet(tmp_path, *other)
    assert ran == []
    assert json.loads((tmp_path / "planet.json").read_text()) == {"size": "quick", "seed": 7}


def test_failing_stage_ends_the_run_with_its_exit_code(tmp_path, monkeypatch, capfd):
    (tmp_path / "photographs").mkdir()
    monkeypatch.setattr(recipe, "stages", lambda *_: iter([recipe.Stage(tmp_path / "x", ("bundle", "info", "none"))]))
    with pytest.raises(PigeonError, match="the stage above ended with exit code 5; mend it and run the same command"):
        make_planet(tmp_path, "quick", 7)
    assert "$ pigeon-edge bundle info none" in capfd.readouterr().err
