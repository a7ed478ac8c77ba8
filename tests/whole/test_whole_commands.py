"""The commands of a user on the samples, with the quick bundle."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pigeon_edge.geodesy import haversine_km
from pigeon_edge.images.photograph import read_gps


@pytest.fixture(scope="module")
def located(planet, run_program):
    result = run_program("locate", planet / "samples", "--json")
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_sample_is_located(planet, located):
    assert [event["source_id"] for event in located] == sorted(map(str, (planet / "samples").iterdir()))
    assert len(located) == 24
    assert {event["status"] for event in located} == {"located"}


def test_geotag_says_of_each_sample_what_locate_says(planet, run_program, located, tmp_path, events_of):
    result = run_program("geotag", planet / "samples", "--out", tmp_path / "out.jsonl")
    assert result.returncode == 0, result.stderr
    assert "24 located, 0 failed, median " in result.stderr
    tagged = events_of((tmp_path / "out.jsonl").read_text())
    for one, other in zip(located, tagged, strict=True):
        assert one["candidates"] == other["candidates"][:1]
        assert {**one, "candidates": []} == {**other, "candidates": []}


def test_geojson_of_the_samples_holds_the_same_points(planet, run_program, located, tmp_path):
    run_program("geotag", planet / "samples", "--out", tmp_path / "out.geojson")
    features = json.loads((tmp_path / "out.geojson").read_text())["features"]
    points = [feature["geometry"]["coordinates"] for feature in features]
    assert points == [[event["location"]["lon"], event["location"]["lat"]] for event in located]


def test_distances_are_to_the_place_that_exif_names(planet, located):
    truth = np.array([read_gps(event["source_id"]) for event in located])
    points = np.array([(event["location"]["lat"], event["location"]["lon"]) for event in located])
    stated_km = np.array([event["gps"]["distance_m"] / 1000 for event in located])
    np.testing.assert_allclose(stated_km, haversine_km(points, truth), atol=0.01)
    assert np.median(stated_km) < 5000


def test_bundle_command_verifies(run_program, bundle_folder, planet):
    import subprocess
    import sys

    line = [sys.executable, "-m", "pigeon_edge", "bundle", "verify", str(bundle_folder)]
    result = subprocess.run(line, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "files are as the manifest says" in result.stderr
