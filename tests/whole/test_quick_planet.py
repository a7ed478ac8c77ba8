"""What the whole path makes: a bundle that opens, and that has learnt something."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pigeon_edge.bundle.format import open_bundle, verify
from pigeon_training.planet.recipe import make_planet


@pytest.fixture(scope="module")
def evaluation(planet):
    return json.loads((planet / "evaluation.json").read_text())


def test_bundle_opens_and_every_file_is_as_its_manifest_says(bundle_folder):
    bundle = open_bundle(bundle_folder)
    verify(bundle)
    assert bundle.description.name == "toy-planet"
    assert bundle.description.licences == {"weights": "Apache-2.0", "data": "Apache-2.0"}


def test_manifest_counts_what_the_files_hold(planet, bundle_folder):
    told = open_bundle(bundle_folder).description
    assert told.cells == len(json.loads((planet / "cells" / "regions.json").read_text())["cells"])
    assert told.photographs == len(np.load(planet / "gallery" / "lat_lng.npy"))
    assert told.clusters == np.load(planet / "gallery" / "cell_offsets.npy")[-1]
    assert 10 < told.cells < told.clusters < told.photographs


def test_card_holds_the_accuracy_as_it_was_measured(bundle_folder, evaluation):
    card = (bundle_folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    ours = evaluation["ours"]
    shares = " | ".join(f"{share:.1f}" for share in ours["percent_within_km"].values())
    assert f"| **this bundle** | {ours['median_km']:,.1f} | {ours['score']:,.0f} | {shares} |" in card
    assert f"Single photographs of {evaluation['places']:,} places that training never saw" in card
    assert f"median radius {evaluation['median_radius_km']:,} km" in card


def test_card_says_how_the_bundle_was_made(planet, bundle_folder):
    card = (bundle_folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    report = json.loads((planet / "calibration.json").read_text())
    assert "A procedural planet: invented countries" in card
    assert f"- embedding_cosine_p01: {report['embedding_cosine_p01']}" in card
    assert "weights: Apache-2.0; data: Apache-2.0" in card
    assert "fitted on" in card


@pytest.mark.parametrize("baseline", ["constant_guess", "nearest_pixels"])
def test_model_is_at_least_twice_as_near_as_a_baseline(evaluation, baseline):
    assert evaluation["ours"]["median_km"] * 2 <= evaluation[baseline]["median_km"]


def test_model_is_better_than_a_baseline_at_every_distance_that_counts(evaluation):
    for baseline in ("constant_guess", "nearest_pixels"):
        for limit in ("750", "2500"):
            assert evaluation["ours"]["percent_within_km"][limit] > evaluation[baseline]["percent_within_km"][limit]


def test_stated_radius_holds_about_as_often_as_promised(evaluation):
    assert evaluation["promised_coverage"] == 0.9
    assert abs(evaluation["measured_coverage"] - 0.9) <= 0.12
    assert abs(evaluation["measured_coverage_50"] - 0.5) <= 0.12
    assert evaluation["median_radius_50_km"] < evaluation["median_radius_km"]


def test_confidence_is_reported_and_drawn(planet):
    report = json.loads((planet / "confidence.report.json").read_text())
    assert report["checked_on"] == "test split"
    assert report["settings"] == json.loads((planet / "confidence.json").read_text())
    assert (planet / "confidence.png").stat().st_size > 10_000


def test_second_run_finds_nothing_to_do(planet, capfd):
    def times():
        return {path: path.stat().st_mtime_ns for path in planet.rglob("*") if path.name != "planet.json"}

    before = times()
    assert make_planet(planet, "quick", 7) == planet / "toy-planet.pigeon"
    times_after = {path: time for path, time in times().items() if path != planet}
    assert times_after == {path: time for path, time in before.items() if path != planet}
    assert "$ pigeon-edge" not in capfd.readouterr().err
