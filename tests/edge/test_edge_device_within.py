"""Answers that may not claim a distance are withheld."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.talk import one_line

from pigeon_edge.answer.confidence import UNFITTED, Claim
from pigeon_edge.bundle.format import open_bundle, seal
from pigeon_edge.testing import write_colour


@pytest.fixture(scope="module")
def claiming(tiny, tmp_path_factory):
    """The tiny bundle with settings under which a photograph that is sure of its cell claims 200 km."""
    folder = tmp_path_factory.mktemp("bundles") / "claiming.pigeon"
    shutil.copytree(tiny.path, folder)
    settings = replace(
        UNFITTED, radius_50_km=(80.0,), radius_90_km=(3000.0,), claims=(Claim(200.0, 0.95),), fitted_on=100
    )
    (folder / "confidence.json").write_text(json.dumps(settings.to_json()))
    seal(folder, open_bundle(tiny.path).description)
    return folder


@pytest.fixture
def of_one_who_claims(pigeon, claiming, photographs):
    """Run a command with that bundle; of the photographs beside it, one is unsure."""
    write_colour(photographs / "4-grey.png", (100, 95, 90))
    return lambda *arguments: pigeon(*arguments, "--bundle", claiming, "--engine", "onnxruntime")


def test_locate_shows_both_radii_and_what_is_claimed(of_one_who_claims, photographs):
    header, *rows = of_one_who_claims("locate", photographs).stdout.splitlines()
    assert header.endswith("  50% km  90% km  claims km  true error km  place")
    assert [row.split()[3:6] for row in rows] == [["80", "3,000", "200"]] * 3 + [["80", "3,000", "-"]]


def test_unsure_answers_are_withheld_and_counted(of_one_who_claims, photographs, tmp_path):
    (photographs / "5.jpg").write_text("no photograph")
    found = of_one_who_claims("geotag", photographs, "--out", "a.csv", "--within", "200")
    assert "3 located, 1 withheld, 1 failed; wrote a.csv" in found.stderr
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["source_id"]).name[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["status"] for row in rows] == [*["located"] * 3, "withheld", "error"]
    assert {rows[3][name] for name in ("lat", "lon", "country", "radius_m", "month")} == {""}
    assert [(row["radius_50_m"], row["radius_m"], row["within_m"]) for row in rows[:3]] == [
        ("80000", "3000000", "200000")
    ] * 3


def test_an_unsure_answer_that_is_kept_claims_nothing(of_one_who_claims, photographs):
    lines = of_one_who_claims("geotag", photographs, "--out", "-").stdout.splitlines()
    assert [json.loads(line)["location"]["within_m"] for line in lines] == [200000, 200000, 200000, None]


def test_run_and_locate_withhold_alike(of_one_who_claims, photographs):
    found = of_one_who_claims("run", photographs, "--within", "1000")
    statuses = [*["located"] * 3, "withheld"]
    assert [json.loads(line)["status"] for line in found.stdout.splitlines()] == statuses
    assert one_line(found.stderr) == "pigeon-edge: 3 located, 1 withheld, 0 failed"
    found = of_one_who_claims("locate", photographs, "--within", "200", "--json")
    assert [json.loads(line)["status"] for line in found.stdout.splitlines()] == statuses
    assert set(json.loads(found.stdout.splitlines()[3])) == {"schema", "source_id", "status", "model"}
    assert one_line(found.stderr) == "pigeon-edge: 1 withheld: too unsure to claim 200 km"


def test_a_distance_that_no_answer_can_claim_is_refused(of_one_who_claims, located, photographs):
    found = of_one_who_claims("locate", photographs, "--within", "25")
    assert found.returncode == 2
    assert "--within 25: answers of tiny@" in one_line(found.stderr)
    assert "claim 200 km, so all would be left out; ask for more kilometres" in found.stderr
    assert "claim no distance, so all" in located("geotag", photographs, "--out", "a.csv", "--within", "9").stderr
