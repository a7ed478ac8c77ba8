"""``train explain``: the heat lies on the right part of the photograph, and the command says what it cannot."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from pigeon_edge.answer.confidence import UNFITTED
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.locator import Locator
from pigeon_edge.testing import TINY_SPEC, FakeEncoder, write_colour
from pigeon_training.cli import app
from pigeon_training.model.geocell_model import GeocellModel, Heads, new_tower
from pigeon_training.model.model_folder import FittedModel, save_model
from pigeon_training.presets import TowerPreset
from pigeon_training.study.explanation.explain import Explanation, explain_bundle, explain_model, write_explanation
from pigeon_training.study.explanation.heat_map import LONG_SIDE_PX, draw_heat_map, inferno
from pigeon_training.testing import write_tiny_clip


def heat_of(photograph, shares, covered=1.0):
    """Return how much redder (H, W) than the grey photograph each pixel of its picture is, without the legend."""
    picture = np.asarray(draw_heat_map(photograph, np.asarray(shares, np.float32), covered, "somewhere"), int)
    height = round(photograph.height * LONG_SIDE_PX / max(photograph.size))
    return (picture[..., 0] - picture[..., 2])[:height]


def one_hot(side, row, column):
    shares = np.zeros((side, side), np.float32)
    shares[row, column] = 1.0
    return shares


@pytest.mark.parametrize(("size", "corner"), [((64, 64), (0, 0)), ((96, 48), (256, 0)), ((48, 96), (0, 256))])
def test_heat_lies_in_the_square_that_the_model_sees(size, corner):
    """A wide photograph of 96 x 48 is seen from a quarter of its width to three quarters, 512 px of 1024."""
    side = LONG_SIDE_PX * min(size) // max(size)
    heat = heat_of(Image.new("RGB", size, (90, 90, 90)), one_hot(4, 1, 3))
    left, top = corner[0] + 3 * side // 4, corner[1] + side // 4
    patch = np.zeros_like(heat, bool)
    patch[top : top + side // 4, left : left + side // 4] = True
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert patch[row, column]
    assert heat[patch].mean() > 20 * heat[~patch].mean()


def test_patches_that_do_not_fill_the_square_leave_its_edge_free():
    heat = heat_of(Image.new("RGB", (60, 60), (90, 90, 90)), one_hot(3, 2, 2), covered=24 / 30)
    edge = round(LONG_SIDE_PX * 0.8)
    assert not heat[edge:].any()
    assert not heat[:, edge:].any()
    assert heat[edge - 10, edge - 10] > 50


def test_an_even_map_is_faint_and_a_sharp_one_is_not():
    grey = Image.new("RGB", (60, 60), (90, 90, 90))
    assert heat_of(grey, np.full((4, 4), 1 / 16)).max() < 40 < heat_of(grey, one_hot(4, 0, 0)).max()


def test_colours_grow_lighter_with_the_value():
    lightness = inferno(np.linspace(0, 1, 50, dtype=np.float32)) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()


@pytest.fixture
def locator():
    from pigeon_edge.answer.cells import CellTable
    from pigeon_edge.answer.estimate import Place
    from pigeon_edge.retrieval.published import PaperRefinement
    from pigeon_edge.testing import TINY_CENTROIDS, TINY_PLACES

    cells = CellTable(TINY_CENTROIDS, tuple(Place(*names) for names in TINY_PLACES))
    return Locator(TINY_SPEC, FakeEncoder(), cells, None, PaperRefinement(), UNFITTED, "tiny")


def test_bundle_is_explained_by_what_covers_its_colour(locator, tmp_path):
    image = Image.new("RGB", (64, 32), (120, 120, 120))
    image.paste((250, 0, 0), (40, 0, 48, 8))  # three quarters across and at the top of the middle 32 px
    image.save(tmp_path / "a.png")
    found = explain_bundle(locator, tmp_path / "a.png", None)
    assert found.caption.startswith("North, Rubra: ")
    assert {tuple(place) for place in np.argwhere(found.shares > 0.1).tolist()} == {(0, 6), (0, 7), (1, 6), (1, 7)}
    assert explain_bundle(locator, tmp_path / "a.png", 2).caption.startswith("Isles, Blua: ")
    with pytest.raises(UsageError, match="--cell 3: expected one of the cells 0 to 2"):
        explain_bundle(locator, tmp_path / "a.png", 3)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    torch.manual_seed(1)
    preset = TowerPreset(image_size_px=30, patch_px=8, width=24, layers=1, heads=2, mlp_width=32)
    folder = tmp_path_factory.mktemp("models") / "model"
    model = GeocellModel(new_tower(preset), Heads(24, {"cells": 3}))
    save_model(folder, FittedModel(model, PreprocessSpec(30), scale=None))
    return folder


def test_fitted_model_is_explained_in_its_most_probable_cell_or_another(model_folder, tmp_path):
    image = write_colour(tmp_path / "a.png", (200, 30, 30))
    found = explain_model(str(model_folder), None, image, None)
    assert found.shares.shape == (3, 3)
    assert found.covered == pytest.approx(24 / 30)
    best = int(found.caption.split(":")[0].removeprefix("cell "))
    other = explain_model(str(model_folder), None, image, (best + 1) % 3)
    assert other.caption.startswith(f"cell {(best + 1) % 3}: ")


def test_clip_without_geocells_is_explained_in_its_embedding(tmp_path):
    model = str(write_tiny_clip(tmp_path / "clip"))
    image = Image.effect_noise((64, 64), 90).convert("RGB")
    image.save(tmp_path / "a.png")
    found = explain_model(model, None, tmp_path / "a.png", None)
    assert found.caption == "embedding"
    assert found.shares.shape == (4, 4)
    assert found.shares.max() > 1 / 16


def test_command_writes_a_picture_and_says_of_what(model_folder, tmp_path):
    image = write_colour(tmp_path / "a.png", (200, 30, 30))
    arguments = ["explain", str(image), "--model", str(model_folder), "--cell", "2", "--out", str(tmp_path / "w.png")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "pigeon-edge: cell 2: " in result.stderr
    with Image.open(tmp_path / "w.png") as picture:
        assert picture.width == LONG_SIDE_PX
        assert picture.height > 768


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["none.png", "--out", "w.png"], InputError, "no such file"),
        (["a.png", "--cells", "c", "--out", "w.png"], UsageError, "--cells names the places of a --model"),
        (["a.png", "--model", "MODEL", "--cells", "CELLS", "--out", "w.png"], InputError, "expected the 3 geocells"),
        (["a.png", "--model", "MODEL", "--out", "w.what"], UsageError, "expected a picture's name"),
        (["a.png", "--model", "cells", "--out", "w.png"], InputError, "expected a folder that"),
    ],
)
def test_what_cannot_be_meant_is_said(model_folder, tmp_path, monkeypatch, arguments, error, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write_colour(tmp_path / "a.png", (9, 9, 200))
    cell = {"id": "a", "country_code": "", "country": "", "regions": [], "districts": [], "size": 1}
    cells = {"cells": [cell | {"centroid_lat_lng": [1, 2]}], "regions": [], "roots": [], "splits": [], "land": None}
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "regions.json").write_text(json.dumps(cells))
    names = {"MODEL": str(model_folder), "CELLS": "cells"}
    result = CliRunner().invoke(app, ["explain", *(names.get(word, word) for word in arguments)])
    assert isinstance(result.exception, error)
    assert words in str(result.exception)
    assert not (tmp_path / "w.png").exists()


def test_picture_of_another_format_goes_by_its_name(tmp_path):
    image = write_colour(tmp_path / "a.png", (9, 200, 9), (500, 20))
    write_explanation(tmp_path / "w.jpg", image, Explanation(one_hot(4, 0, 0), 1.0, "x"))
    with Image.open(tmp_path / "w.jpg") as picture:
        assert picture.format == "JPEG"
