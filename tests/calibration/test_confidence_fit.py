"""Temperature, radii and claims: fitted on some photographs, kept on others."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pigeon_calibration.cli import app
from pigeon_calibration.confidence import stage
from pigeon_calibration.confidence.claims import LEVEL, WITHIN_KM, binomial_tail, claims_of, risk_curve, threshold_of
from pigeon_calibration.confidence.encoded import Unreadable, encoded, kept
from pigeon_calibration.confidence.fit import fit_confidence, settings_of
from pigeon_calibration.confidence.held_out import held_out
from pigeon_calibration.confidence.outcomes import Outcomes, outcomes_of, true_cells, truth_of
from pigeon_calibration.confidence.radii import conformal_quantile, radii_of, steps_of
from pigeon_calibration.confidence.report import report, share_of
from pigeon_calibration.confidence.temperature import Bin, best_temperature, calibration_error, reliability
from pigeon_edge.cells import open_cells
from pigeon_edge.confidence import FARTHEST_KM, UNFITTED, Claim, read_confidence
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.gallery import open_gallery
from pigeon_edge.geodesy import destination, haversine_km
from pigeon_edge.locator import Locator
from pigeon_edge.photo_manifest import PhotoRow, Split, write_manifest
from pigeon_edge.photograph import read_pixels
from pigeon_edge.testing import TINY_CENTROIDS, FakeEncoder, write_colour, write_tiny_bundle


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


def drawn(count, seed, sharpness=1.0, error_scale=1.0, views=4):
    """Return outcomes of photographs whose errors grow with what was expected, but by another law than it says.

    One in ten errs as if nothing had been expected. Places have several ``views``, which share half of their luck.
    """
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(count // views), views)
    luck = (rng.normal(size=count // views)[place] + rng.normal(size=count)) / np.sqrt(2)
    expected_km = rng.lognormal(5, 1.2, count)
    error_km = 3 * expected_km**0.8 * np.exp(luck / sharpness) * error_scale
    error_km = np.where(rng.random(count) < 0.1, rng.uniform(0, 3000, count) * error_scale, error_km)
    mass = 1 / (1 + (expected_km[:, None] / np.array(WITHIN_KM)) ** 2)
    probability = rng.uniform(0, 1, count)
    right = rng.random(count) < probability
    return Outcomes(np.minimum(error_km, FARTHEST_KM), expected_km, mass, probability, probability, right, place)


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


@pytest.mark.parametrize(("wrong", "count", "risk", "tail"), [(0, 22, 0.1, 0.9**22), (1, 2, 0.5, 0.75), (3, 3, 0.2, 1)])
def test_binomial_tail_is_the_chance_of_no_more_wrong(wrong, count, risk, tail):
    assert binomial_tail(wrong, count, risk) == pytest.approx(tail)


def test_threshold_is_the_least_that_passes():
    mass = np.linspace(1, 0, 1000)
    wrong = np.arange(1000) >= 400  # of the surest 400 none
    threshold = threshold_of(wrong, mass, np.arange(1000), 0.1)
    claims = mass >= threshold
    assert claims.sum() == 425  # 25 of 425 pass, 50 of 450 do not
    assert binomial_tail(25, 425, 0.1) <= LEVEL < binomial_tail(50, 450, 0.1)


def test_photographs_of_one_place_prove_no_more_than_one():
    mass, wrong = np.repeat(np.linspace(1, 0, 250), 4), np.zeros(1000, bool)
    wrong[::32] = True  # 3 % everywhere
    assert threshold_of(wrong, mass, np.arange(1000), 0.1) < 0.01
    assert threshold_of(wrong, mass, np.repeat(np.arange(250), 4), 0.1) < 0.5
    assert threshold_of(wrong, mass, np.repeat(np.arange(25), 40), 0.1) is None


@pytest.mark.parametrize("risk", [0.1, *(pytest.param(risk, marks=pytest.mark.slow) for risk in (0.05, 0.2))])
def test_risk_is_kept_on_unseen_photographs_nearly_as_often_as_promised(risk):
    broken = claimed = 0
    for seed in range(30):
        fitted_on, unseen = drawn(3000, seed, views=1), drawn(10_000, 1000 + seed, views=1)
        for claim in claims_of(fitted_on.wrong, fitted_on.mass, fitted_on.place, risk):
            number = WITHIN_KM.index(claim.within_km)
            claims = unseen.mass[:, number] >= claim.least_mass
            claimed += 1
            broken += unseen.wrong[claims, number].mean() > risk
    assert claimed >= 20
    assert broken / claimed <= LEVEL + 0.03


def test_who_claims_a_distance_may_claim_every_farther_one():
    outcomes = drawn(8000, 50)
    claims = claims_of(outcomes.wrong, outcomes.mass, outcomes.place, 0.2)
    least = [claim.least_mass for claim in claims]
    assert len(claims) >= 2
    assert least == sorted(least, reverse=True)


def test_a_worse_model_abstains_more():
    def unsure(error_scale):
        outcomes = drawn(8000, 51, error_scale=error_scale)
        found = report(settings_of(outcomes, 1.0, 0.1), outcomes, outcomes)
        return [each.claimed for each in found.claims]

    good, bad, hopeless = unsure(0.3), unsure(1.0), unsure(30.0)
    assert all(a >= b for a, b in zip(good, bad, strict=True))
    assert sum(good) > sum(bad) > sum(hopeless) == 0


def test_risk_falls_to_that_of_all_where_all_claim():
    outcomes = drawn(4000, 52)
    curve = risk_curve(outcomes.wrong[:, 1], outcomes.mass[:, 1])
    assert curve[-1].claimed == 1
    assert curve[-1].risk == outcomes.wrong[:, 1].mean()
    assert curve[0].risk < curve[-1].risk


def test_interval_counts_places():
    holds = np.array([True, False] * 200)
    alone, together = share_of(holds, np.arange(400)), share_of(holds, np.repeat(np.arange(100), 4))
    assert (alone.share, alone.photographs, alone.places, together.places) == (0.5, 400, 400, 100)
    assert (together.low, together.high) == pytest.approx((0.4038, 0.5962), abs=1e-4)  # Wilson's, 50 of 100
    assert together.high - together.low == pytest.approx(2 * (alone.high - alone.low), rel=0.03)


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


def fit(locator, bundle, rows):
    return fit_confidence(locator, open_gallery(bundle), rows, Unreadable()).settings


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
    at_once = outcomes_of(encoded(locator, rows, Unreadable()), truth, locator, 0.7)
    with kept(encoded(locator, rows, Unreadable())) as replay:
        for _ in range(2):
            later = outcomes_of(replay(), truth, locator, 0.7)
            for name, column in vars(at_once).items():
                assert np.array_equal(column, getattr(later, name))


def test_photographs_of_few_places_are_refused(tmp_path, locator, bundle):
    rows = rows_around(tmp_path / "photographs", 19, 10.0)
    with pytest.raises(InputError, match="of at least 20 places, found 38 of 19; add places"):
        fit(locator, bundle, rows * 2)
    one_place = [PhotoRow(rows[0].path, 10.0, 10.0, f"p{n}") for n in range(30)]
    with pytest.raises(InputError, match=r"many places, found 30 all within 1 km of 10, 10; add others, or check"):
        fit(locator, bundle, one_place)


def rows_of_splits(folder, splits, count):
    """Return photographs of ``count`` places of each split."""
    rows, wanted, number = [], dict.fromkeys(splits, count), 0
    while any(wanted.values()):
        lat, lng = destination(TINY_CENTROIDS[number % 3], 40.0 * number, 10.0 * (number % 40))
        row = PhotoRow(folder / f"{number}.png", float(lat), float(lng), f"p{number}")
        if wanted.get(row.split):
            wanted[row.split] -= 1
            write_colour(row.path, ((250, 25, 25), (25, 250, 25), (25, 25, 250))[number % 3])
            rows.append(row)
        number += 1
    return rows


def test_without_a_test_split_half_of_the_places_judge(tmp_path):
    rows = [row for row in rows_of_splits(tmp_path, [Split.VALIDATION], 120) for _ in range(2)]
    parts = held_out(rows)
    assert parts.checked_on == "other half of the validation split"
    assert len(parts.fit) + len(parts.check) == 240
    assert 80 < len(parts.fit) < 160
    assert {row.place_id for row in parts.fit}.isdisjoint(row.place_id for row in parts.check)


def test_manifest_without_validation_is_refused(tmp_path):
    rows = rows_of_splits(tmp_path, [Split.TEST], 5)
    with pytest.raises(InputError, match="the validation split, of which the manifest's 5 photographs have none"):
        held_out(rows)


@pytest.fixture
def run(bundle, tmp_path, monkeypatch, locator):
    """Run ``calibrate confidence`` on the tiny bundle, whose encoder is the fake one."""
    monkeypatch.setattr(stage, "open_locator", lambda *_, **__: locator)
    given = ("--bundle", bundle.path, "--manifest", tmp_path / "photographs" / "photos.csv")
    return lambda *more: CliRunner().invoke(app, ["confidence", *map(str, (*given, *more))])


@pytest.fixture
def manifest(tmp_path):
    folder = tmp_path / "photographs"
    write_manifest(folder / "photos.csv", rows_of_splits(folder, [Split.VALIDATION, Split.TEST], 150))
    return folder / "photos.csv"


def test_command_writes_settings_report_and_picture(run, manifest, tmp_path):
    out, told, plot = tmp_path / "o" / "c.json", tmp_path / "o" / "r.json", tmp_path / "o" / "p.png"
    (manifest.parent / "0.png").unlink(missing_ok=True)
    broken = next(path for path in sorted(manifest.parent.glob("*.png")))
    broken.write_text("no photograph")
    result = run("--out", out, "--report", told, "--plot", plot, "--risk", "0.2")
    assert result.exit_code == 0, result.exception
    assert result.stdout == ""
    settings, document = read_confidence(out), json.loads(told.read_text())
    assert document["settings"] == json.loads(out.read_text())
    assert document["schema"] == "pigeon-edge/confidence-report@1"
    assert document["checked_on"] == "test split"
    assert settings.claims[-1].within_km == 2500
    assert settings.risk == 0.2
    half, most = document["coverage"]
    assert (half["promised"], most["promised"]) == (0.5, 0.9)
    assert settings.fitted_on + most["found"]["photographs"] == 299
    assert most["found"]["low"] < most["found"]["share"] < most["found"]["high"]
    assert len(most["thirds"]) == 3
    assert [claim["within_km"] for claim in document["claims"]] == [25, 200, 750, 2500]
    assert document["claims"][1]["curve"][-1]["claimed"] == 1
    assert broken.name in document["unreadable"][0]
    assert f"left out 1 photographs that cannot be read: {broken}: expected an image" in result.stderr
    assert "truth within the 90% radius" in result.stderr
    with Image.open(plot) as image:
        assert image.format == "PNG"
        assert image.width > 1000


def test_two_runs_give_the_same_bytes(run, manifest, tmp_path):
    for name in ("a", "b"):
        assert run("--out", tmp_path / name / "c.json", "--report", tmp_path / name / "r.json").exit_code == 0
    for file in ("c.json", "r.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_outputs_must_differ_from_each_other_and_from_the_manifest(run, manifest, tmp_path):
    for more in (("--out", manifest), ("--out", tmp_path / "c", "--report", tmp_path / "c")):
        assert isinstance(run(*more).exception, UsageError)


def test_photographs_of_which_none_can_be_read_are_refused(run, manifest, tmp_path):
    for path in manifest.parent.glob("*.png"):
        path.unlink()
    result = run("--out", tmp_path / "c.json")
    assert isinstance(result.exception, InputError)
    assert "none of 150 photographs can be read, such as" in str(result.exception)
    assert not (tmp_path / "c.json").exists()


def test_claims_of_settings_are_claims(tmp_path):
    outcomes = drawn(8000, 53)
    settings = settings_of(outcomes, 1.0, 0.2)
    (tmp_path / "c.json").write_text(json.dumps(settings.to_json()))
    assert read_confidence(tmp_path / "c.json") == settings
    assert all(isinstance(claim, Claim) for claim in settings.claims)
