"""Temperature and radii: fitted on some photographs, kept on others."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from tests.calibration.confidence_examples import drawn

from pigeon_calibration.confidence import encoded as encoded_module
from pigeon_calibration.confidence.encoded import Unreadable, encoded, kept
from pigeon_calibration.confidence.fit import fit_confidence, settings_of
from pigeon_calibration.confidence.held_out import Purpose
from pigeon_calibration.confidence.outcomes import outcomes_of, true_cells, truth_of
from pigeon_calibration.confidence.radii import conformal_quantile, radii_of, steps_of
from pigeon_calibration.confidence.report import report, share_of
from pigeon_calibration.confidence.temperature import Bin, best_temperature, calibration_error, reliability
from pigeon_edge.answer.confidence import FARTHEST_KM
from pigeon_edge.bundle.parts import open_cells, open_gallery
from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import destination, haversine_km
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.manifest import PhotoRow
from pigeon_edge.testing import TINY_CENTROIDS, write_colour


def sampled_cells(logits, temperature, rng):
    """Return cells (N,) drawn with probability softmax(logits / temperature)."""
    return (logits / temperature + rng.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_under_which_the_cells_were_drawn_is_found(temperature):
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=2, size=(20_000, 12)).astype(np.float32)
    cell = sampled_cells(logits, temperature, rng)
    parts = zip(np.array_split(logits, 7), np.array_split(cell, 7), strict=True)
    assert best_temperature(parts) == pytest.approx(temperature, rel=0.06)


def test_overconfident_logits_get_a_higher_temperature():
    rng = np.random.default_rng(2)
    logits = rng.normal(scale=1, size=(4000, 8)).astype(np.float32)
    cell = sampled_cells(logits, 1.0, rng)
    found = [best_temperature([(logits * factor, cell)]) for factor in (3, 1, 1 / 3)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 3


def test_calibration_error_is_the_gap_by_photographs():
    probability = np.array([0.95] * 10 + [0.05] * 30)
    right = np.array([True] * 5 + [False] * 5 + [True] * 3 + [False] * 27)
    bins = reliability(probability, right)
    assert [(each.right, each.photographs) for each in bins] == [(0.1, 30), (0.5, 10)]
    assert calibration_error(bins) == pytest.approx((30 * 0.05 + 10 * 0.45) / 40)
    assert reliability(np.array([1.0]), np.array([True])) == (Bin(1.0, 1.0, 1),)


def test_quantile_is_that_of_the_conformal_rank():
    errors = [np.array([9.0, 1.0, 8.0, 2.0]), np.array([7.0, 3.0, 6.0, 4.0, 5.0])]
    assert conformal_quantile(errors, 0.5) == 5.0  # rank ceil(10 * 0.5)
    assert conformal_quantile(errors, 0.7) == 7.0
    assert conformal_quantile(errors, 0.71) == 8.0
    assert conformal_quantile(errors, 0.99) == FARTHEST_KM  # nine are too few to promise that


def test_steps_hold_as_many_photographs_each_and_none_is_small():
    expected_km = np.random.default_rng(5).permutation(np.arange(1000.0))
    borders = steps_of(expected_km)
    assert len(borders) == 9
    assert np.bincount(np.searchsorted(borders, expected_km)).tolist() == pytest.approx([100] * 10, abs=1)
    assert len(steps_of(np.arange(60.0))) == 0
    assert steps_of(np.zeros(1000)).tolist() == [0.0]


def test_steps_that_contradict_the_order_share_a_radius():
    expected_km = np.repeat([1.0, 2.0, 3.0], 100)
    error_km = np.concatenate([np.arange(100.0), np.arange(500.0, 600.0), np.arange(300.0, 400.0)])
    low, middle, high = radii_of(error_km, expected_km, np.array([1.0, 2.0]), 0.5)
    assert low == 50  # rank ceil(101 * 0.5) of 0, 1, 2, ...
    assert middle == high == 500  # rank ceil(201 * 0.5) of 300 to 399 and 500 to 599


@pytest.mark.parametrize("seed", [10, 20, 30])
def test_both_radii_cover_unseen_photographs_within_two_points(seed):
    fitted_on, unseen = drawn(20_000, seed, views=1), drawn(20_000, seed + 1, views=1)
    found = report(settings_of(fitted_on, 1.0, 0.1), fitted_on, unseen)
    for each in found.coverage:
        assert each.found.share == pytest.approx(each.promised, abs=0.02)
        assert [third.share for third in each.thirds] == pytest.approx([each.promised] * 3, abs=0.03)
    for promised, share in found.levels:
        assert share == pytest.approx(promised, abs=0.02)


def test_one_scale_for_all_would_not_cover_every_third():
    fitted_on, unseen = drawn(12_000, 10), drawn(12_000, 11)
    scale = conformal_quantile([fitted_on.error_km / fitted_on.expected_km], 0.9)
    covered = unseen.error_km <= scale * unseen.expected_km
    thirds = [covered[third].mean() for third in np.array_split(np.argsort(unseen.expected_km), 3)]
    assert covered.mean() == pytest.approx(0.9, abs=0.02)
    assert max(thirds) - min(thirds) > 0.1


def test_radii_are_nested_ascend_and_grow_with_the_errors():
    once, twice = (settings_of(drawn(4000, 40, error_scale=scale), 1.0, 0.1) for scale in (1.0, 2.0))
    for settings in (once, twice):
        assert (np.diff(settings.radius_50_km) >= 0).all()
        assert (np.diff(settings.radius_90_km) >= 0).all()
        assert (np.array(settings.radius_50_km) <= settings.radius_90_km).all()
    assert np.array(twice.radius_90_km) == pytest.approx(2 * np.array(once.radius_90_km), abs=0.002)


def test_radii_know_no_unit():
    outcomes = drawn(4000, 41)
    smaller = replace(outcomes, error_km=outcomes.error_km / 8, expected_km=outcomes.expected_km / 8)
    settings, scaled = (settings_of(each, 1.0, 0.1) for each in (outcomes, smaller))
    for table in ("expected_km", "radius_50_km", "radius_90_km"):  # a rounded border may move a photograph
        assert np.array(getattr(scaled, table)) * 8 == pytest.approx(np.array(getattr(settings, table)), rel=0.05)


def test_interval_counts_places():
    holds = np.array([True, False] * 200)
    alone, together = share_of(holds, np.arange(400)), share_of(holds, np.repeat(np.arange(100), 4))
    assert (alone.share, alone.photographs, alone.places, together.places) == (0.5, 400, 400, 100)
    assert (together.low, together.high) == pytest.approx((0.4038, 0.5962), abs=1e-4)  # Wilson's, 50 of 100
    assert together.high - together.low == pytest.approx(2 * (alone.high - alone.low), rel=0.03)


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


def fit(locator, bundle, rows):
    return fit_confidence(locator, open_gallery(bundle), rows, Unreadable(), bundle.path.parent).settings


def test_stated_radii_hold_for_the_promised_share_of_what_they_were_fitted_on(tmp_path, locator, bundle):
    rows = rows_around(tmp_path / "photographs", 60, 400.0)
    settings = fit(locator, bundle, rows)
    assert settings.fitted_on == 60
    pixels = np.stack([read_pixels(row.path, locator.preprocess) for row in rows])
    estimates = replace(locator, confidence=settings).locate(pixels)
    error_km = haversine_km([e.lat_lng for e in estimates], [(row.lat, row.lng) for row in rows])
    assert 0.9 <= np.mean(error_km <= [e.radius_km for e in estimates]) < 0.97
    assert 0.5 <= np.mean(error_km <= [e.radius_50_km for e in estimates]) < 0.57


def test_what_is_kept_on_disk_is_what_was_encoded(tmp_path, locator, bundle):
    rows = rows_around(tmp_path / "photographs", 150, 400.0)
    truth = truth_of(rows, open_gallery(bundle), locator.cells)
    at_once = outcomes_of(encoded(locator, rows, Unreadable(), Purpose.FIT), truth, locator, 0.7)
    with kept(encoded(locator, rows, Unreadable(), Purpose.FIT), tmp_path / "scratch") as replay:
        for _ in range(2):
            later = outcomes_of(replay(), truth, locator, 0.7)
            for name, column in vars(at_once).items():
                assert np.array_equal(column, getattr(later, name))


def test_photographs_of_few_places_are_refused(tmp_path, locator, bundle):
    rows = rows_around(tmp_path / "photographs", 19, 10.0)
    with pytest.raises(InputError, match="to fit on, of at least 20 places, found 38 of 19; add places"):
        fit(locator, bundle, rows * 2)
    one_place = [PhotoRow(rows[0].path, 10.0, 10.0, f"p{n}") for n in range(30)]
    with pytest.raises(InputError, match=r"many places, found 30 all within 1 km of 10, 10; add others, or check"):
        fit(locator, bundle, one_place)


def test_encodings_are_kept_in_the_folder_that_is_named(bundle, locator, tmp_path, monkeypatch):
    given, rows = [], rows_around(tmp_path / "photographs", 30, 400.0)
    monkeypatch.setattr(encoded_module, "TemporaryFile", lambda **where: given.append(where) or BytesIO())
    fit_confidence(locator, open_gallery(bundle), rows, Unreadable(), tmp_path / "o" / "deep")
    assert given == [{"dir": tmp_path / "o" / "deep"}]


def test_nothing_stays_of_what_is_kept(bundle, locator, tmp_path):
    rows = rows_around(tmp_path / "photographs", 30, 400.0)
    fit_confidence(locator, open_gallery(bundle), rows, Unreadable(), tmp_path / "o")
    assert not list((tmp_path / "o").iterdir())
