"""Real photographs and a real video through the quick bundle: not where they are, but that every one is dealt with."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from pigeon_calibration.gate.parity import cosine_per_row
from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.encoders import open_encoder
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.scan import scan


@pytest.fixture(scope="module")
def records(shared_data, run_program, tmp_path_factory):
    """Return the exit code and the events of ``geotag`` over all photographs."""
    import json

    out = tmp_path_factory.mktemp("real") / "out.jsonl"
    result = run_program("geotag", shared_data / "photos", "--out", out)
    return result.returncode, [json.loads(line) for line in out.read_text().splitlines()]


def test_every_photograph_has_one_record_in_order(shared_data, records):
    _, events = records
    assert [event["source_id"] for event in events] == [str(p) for p in scan([shared_data / "photos"]).photographs]
    assert len(events) > 60


def test_broken_files_are_errors_of_one_line_and_the_exit_code_says_so(records):
    code, events = records
    errors = [event for event in events if event["status"] == "error"]
    assert code == (3 if errors else 0)
    assert all("/invalid/" in event["source_id"] or "/tiff/" in event["source_id"] for event in errors)
    assert all("\n" not in event["error"] and event["error"].startswith(event["source_id"]) for event in errors)
    assert all("location" not in event for event in errors)


def test_landmarks_and_phone_pictures_are_all_located(records):
    _, events = records
    good = [e for e in events if any(part in e["source_id"] for part in ("/landmarks/", "/gps/", "/orientation/"))]
    assert len(good) == 49
    assert {event["status"] for event in good} == {"located"}
    assert all(-90 <= e["location"]["lat"] <= 90 and -180 <= e["location"]["lon"] < 180 for e in good)


def test_camera_pictures_carry_the_gps_of_their_exif(records):
    _, events = records
    cameras = [event for event in events if "/DSCN" in event["source_id"]]
    assert len(cameras) == 3
    for event in cameras:  # all three were taken in Arezzo
        assert event["gps"]["lat"] == pytest.approx(43.467, abs=0.01)
        assert event["gps"]["lon"] == pytest.approx(11.885, abs=0.01)
        assert event["gps"]["distance_m"] > 0


def test_heic_is_located(records):
    pytest.importorskip("pillow_heif")
    _, events = records
    (phone,) = [event for event in events if event["source_id"].endswith(".HEIC")]
    assert phone["status"] == "located"


@pytest.fixture(scope="module")
def turned(shared_data, bundle_folder):
    """Return the encoding of one picture in EXIF orientations 1 to 8."""
    bundle = open_bundle(bundle_folder)
    folder = shared_data / "photos" / "exif" / "orientation"
    pixels = [read_pixels(folder / f"landscape_{n}.jpg", bundle.description.preprocess) for n in range(1, 9)]
    return open_encoder(bundle).encode(np.stack(pixels))


def test_orientations_of_one_picture_have_one_embedding(turned):
    assert cosine_per_row(turned.embedding, np.repeat(turned.embedding[:1], 8, axis=0)).min() >= 0.995


def test_orientations_of_one_picture_have_one_cell(turned):
    assert np.bincount(turned.cell_logits.argmax(axis=1)).max() >= 7


def test_video_becomes_events_at_the_rate_asked_for(shared_data, run_program, events_of):
    pytest.importorskip("av")
    source = shared_data / "video" / "gopro_carlsbad.mp4"
    result = run_program("run", source, "--fps", 2)
    assert result.returncode == 0, result.stderr
    events = events_of(result.stdout)
    times_s = [event["frame"]["pts_s"] for event in events]
    assert len(events) >= 4
    assert all(earlier < later for earlier, later in pairwise(times_s))
    assert len(events) == pytest.approx(times_s[-1] * 2 + 1, abs=1)
    for event in events:
        assert event["schema"] == "pigeon-edge/event@2"
        assert (event["source_id"], event["status"]) == (str(source), "located")
        assert math.isfinite(event["location"]["radius_m"])
        assert event["location"]["radius_m"] > 0
        assert event["frame"]["width"] > event["frame"]["height"] > 0
