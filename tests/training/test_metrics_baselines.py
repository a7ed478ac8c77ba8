"""Numbers of a report, and what a model has to beat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pigeon_edge.geodesy import haversine_km
from pigeon_edge.photo_manifest import lat_lng_of_rows
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_training import baselines
from pigeon_training.baselines import constant_guess, nearest_pixels
from pigeon_training.dataset import read_all_pixels
from pigeon_training.metrics import accuracy


def test_metrics_by_hand():
    found = accuracy(np.array([0.5, 20.0, 24.0, 100.0, 300.0, 1000.0, 2000.0, 9000.0]))
    assert found.photographs == 8
    assert found.median_km == 200.0
    assert found.percent_within_km == {"1": 12.5, "25": 37.5, "200": 50.0, "750": 62.5, "2500": 87.5}


def test_error_on_a_threshold_is_within_it():
    assert accuracy(np.array([1.0, 25.0, 200.0, 750.0, 2500.0])).percent_within_km == {
        "1": 20.0, "25": 40.0, "200": 60.0, "750": 80.0, "2500": 100.0,
    }  # fmt: skip


def test_error_beyond_a_threshold_is_not_within_it():
    assert accuracy(np.nextafter(np.array([1.0]), 2.0)).percent_within_km["1"] == 0.0


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


@pytest.mark.parametrize("chunk", [2, 7, 100])
def test_nearest_pixels_picks_the_identical_picture(pictures, chunk, monkeypatch):
    monkeypatch.setattr(baselines, "CHUNK", chunk)
    spec = PreprocessSpec(24)
    asked = [pictures[5], pictures[0], pictures[3]]
    errors = nearest_pixels(pictures, spec, read_all_pixels(asked, spec), lat_lng_of_rows(asked))
    np.testing.assert_allclose(errors, 0, atol=1e-6)


def test_nearest_pixels_errs_by_the_distance_to_the_picture_it_picked(pictures):
    spec = PreprocessSpec(24)
    pixels = read_all_pixels(pictures[2:3], spec)
    pixels[0, 0, 0] ^= 1
    (error,) = nearest_pixels(pictures, spec, pixels, np.array([[10.0, 90.0]]))
    assert error == pytest.approx(float(haversine_km((10, 20), (10, 90))))
