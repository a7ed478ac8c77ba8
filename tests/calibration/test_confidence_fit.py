"""Temperature and radius fitted on held-out photographs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pigeon_calibration.confidence import best_temperature, conformal_scale, fit_confidence, true_cells
from pigeon_edge.cells import open_cells
from pigeon_edge.confidence import UNFITTED
from pigeon_edge.errors import InputError
from pigeon_edge.gallery import open_gallery
from pigeon_edge.geodesy import destination, haversine_km
from pigeon_edge.locator import Locator
from pigeon_edge.photo_manifest import PhotoRow
from pigeon_edge.photograph import read_pixels
from pigeon_edge.testing import TINY_CENTROIDS, FakeEncoder, write_colour, write_tiny_bundle


def sampled_cells(logits, temperature, rng):
    """Return cells (N,) drawn with probability softmax(logits / temperature)."""
    return (logits / temperature + rng.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_under_which_the_cells_were_drawn_is_found(temperature):
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=2, size=(20_000, 12)).astype(np.float32)
    assert best_temperature(logits, sampled_cells(logits, temperature, rng)) == pytest.approx(temperature, rel=0.06)


def test_overconfident_logits_get_a_higher_temperature():
    rng = np.random.default_rng(2)
    logits = rng.normal(scale=1, size=(4000, 8)).astype(np.float32)
    cell = sampled_cells(logits, 1.0, rng)
    assert best_temperature(logits * 3, cell) > best_temperature(logits, cell) > best_temperature(logits / 3, cell)


def test_scale_is_the_ratio_of_the_conformal_rank():
    error_km = np.array([9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0])
    assert conformal_scale(error_km, np.ones(9), 0.5) == 5.0  # rank ceil(10 * 0.5)
    assert conformal_scale(error_km, np.ones(9), 0.7) == 7.0
    assert conformal_scale(error_km, np.ones(9), 0.71) == 8.0
    assert conformal_scale(error_km, np.ones(9), 0.99) == 9.0  # at most the largest


def test_errors_count_in_units_of_their_own_spread():
    assert conformal_scale(np.array([10.0, 400.0, 30.0]), np.array([10.0, 100.0, 10.0]), 0.75) == 4.0


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_scale_covers_unseen_photographs_as_promised(coverage):
    rng = np.random.default_rng(3)
    spreads = rng.uniform(20, 2000, 6000)
    errors = spreads * rng.lognormal(sigma=0.8, size=6000)
    scale = conformal_scale(errors[:3000], spreads[:3000], coverage)
    assert np.mean(errors[3000:] <= scale * spreads[3000:]) == pytest.approx(coverage, abs=0.03)


@pytest.fixture
def bundle(tmp_path):
    return write_tiny_bundle(tmp_path / "tiny.pigeon")


@pytest.fixture
def locator(bundle):
    told = bundle.description
    return Locator(
        told.preprocess, FakeEncoder(), open_cells(bundle), open_gallery(bundle), told.refinement, UNFITTED, "tiny"
    )


def test_true_cell_is_that_of_the_nearest_gallery_photograph_across_the_antimeridian(bundle):
    truth = np.array([[11.0, 9.0], [44.0, -102.0], [-31.0, -179.8], [-29.5, 179.5], [10.0, 80.0]])
    assert true_cells(truth, open_gallery(bundle), open_cells(bundle)).tolist() == [0, 1, 2, 2, 0]


def rows_around(folder, count, away_km):
    """Return photographs of the cells' colours, each up to ``away_km`` from its cell's centroid."""
    rng = np.random.default_rng(4)
    rgb = ((250, 25, 25), (25, 250, 25), (25, 25, 250))
    points = destination(
        TINY_CENTROIDS[np.arange(count) % 3], rng.uniform(0, 360, count), rng.uniform(0, away_km, count)
    )
    return [
        PhotoRow(write_colour(folder / f"{n}.png", rgb[n % 3]), float(lat), float(lng), f"p{n}")
        for n, (lat, lng) in enumerate(points)
    ]


def test_stated_radius_holds_for_the_promised_share_of_what_it_was_fitted_on(tmp_path, locator, bundle):
    rows = rows_around(tmp_path / "photographs", 60, 400.0)
    settings = fit_confidence(locator, open_gallery(bundle), rows, 0.9)
    assert (settings.fitted_on, settings.coverage) == (60, 0.9)
    pixels = np.stack([read_pixels(row.path, locator.preprocess) for row in rows])
    estimates = replace(locator, confidence=settings).locate(pixels)
    error_km = haversine_km([e.lat_lng for e in estimates], [(row.lat, row.lng) for row in rows])
    covered = np.mean(error_km <= [e.radius_km for e in estimates])
    assert 0.9 <= covered < 0.97


def test_radius_grows_with_the_errors(tmp_path, locator, bundle):
    near, far = (
        fit_confidence(locator, open_gallery(bundle), rows_around(tmp_path / str(away_km), 30, away_km))
        for away_km in (300.0, 1200.0)
    )
    assert far.radius_scale > 2 * near.radius_scale > 0


def test_fewer_than_twenty_photographs_are_refused(tmp_path, locator, bundle):
    with pytest.raises(InputError, match="at least 20 held-out photographs, found 19; add places"):
        fit_confidence(locator, open_gallery(bundle), rows_around(tmp_path / "photographs", 19, 10.0))
