"""What a model has to beat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pigeon_edge.geodesy import haversine_km
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.data.dataset import read_all_pixels
from pigeon_training.study import baselines
from pigeon_training.study.baselines import constant_guess, nearest_pixels


def test_constant_guess_is_the_training_place_nearest_to_all_others():
    training = np.array([[0.0, 0.0], [0.0, 10.0], [0.0, 20.0], [0.0, 31.0], [0.0, 100.0]])
    truth = np.array([[0.0, 20.0], [0.0, 21.0], [50.0, 20.0]])
    np.testing.assert_allclose(constant_guess(training, truth), haversine_km([0.0, 20.0], truth))


def test_constant_guess_is_a_place_and_no_mean():
    training = np.array([[0.0, 179.0]] * 3 + [[0.0, -170.0]] * 2)
    assert constant_guess(training, np.array([[0.0, 179.0]])).tolist() == [0.0]


@pytest.fixture
def pictures(tmp_path, rows_of):
    rng = np.random.default_rng(9)
    rows = [replace(row, path=tmp_path / f"{n}.png", lng=10.0 * n) for n, row in enumerate(rows_of("A", 7, 10, 0))]
    for row in rows:
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(row.path)
    return rows


def test_pixels_are_in_the_order_of_the_rows(pictures):
    pixels = read_all_pixels(pictures, PreprocessSpec(24))
    expected = [np.asarray(Image.open(row.path)) for row in pictures]
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("batch", [2, 7, 100])
def test_nearest_pixels_picks_the_identical_picture(pictures, batch, monkeypatch):
    monkeypatch.setattr(baselines, "BATCH", batch)
    np.testing.assert_allclose(nearest_pixels(pictures, [pictures[5], pictures[0], pictures[3]]), 0, atol=1e-6)


def test_nearest_pixels_errs_by_the_distance_to_the_picture_it_picked(pictures, tmp_path):
    pixels = np.asarray(Image.open(pictures[2].path)).copy()
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(tmp_path / "asked.png")
    (error,) = nearest_pixels(pictures, [replace(pictures[2], path=tmp_path / "asked.png", lng=90.0)])
    assert error == pytest.approx(float(haversine_km((10, 20), (10, 90))))


def test_nearest_pixels_leaves_unreadable_training_photographs_out(pictures):
    pictures[5].path.write_bytes(b"no image")
    assert nearest_pixels(pictures, pictures[:2]).tolist() == [0.0, 0.0]


def test_nearest_pixels_looks_at_evenly_spaced_photographs_where_there_are_too_many(pictures, monkeypatch):
    monkeypatch.setattr(baselines, "GALLERY", 4)
    errors = nearest_pixels(pictures, pictures)
    assert (errors[::2] == 0).all()
    assert (errors[1::2] > 900).all()


def test_nearest_pixels_of_a_photograph_that_cannot_be_read_is_refused(pictures):
    pictures[0].path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="1 of 2 photographs can be read"):
        nearest_pixels(pictures[2:], pictures[:2])
