"""What geotag and run write: formats, files, streams; and what is left where they are stopped."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from tests.edge.talk import one_line


def test_geotag_writes_three_formats(located, photographs, tmp_path):
    for name in ("a.jsonl", "a.geojson", "a.csv"):
        found = located("geotag", photographs, "--out", name)
        assert (found.returncode, found.stdout) == (0, "")
        assert one_line(found.stderr) == f"pigeon-edge: 3 located, 0 failed; wrote {name}"
    countries = ["Rubra", "Verda", "Blua"]
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["place"]["country"] for line in lines] == countries
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert [feature["properties"]["country"] for feature in features] == countries
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["country"] for row in csv.DictReader(file)] == countries


def test_geotag_formats_may_be_named_and_stdout_is_an_output(located, photographs):
    for out in ("-", "/dev/stdout"):
        found = located("geotag", photographs, "--out", out, "--format", "geojson")
        assert found.returncode == 0
        assert len(json.loads(found.stdout)["features"]) == 3


def test_standard_output_into_a_file_stays_that_file(photographs, tiny, environment, tmp_path):
    command = [
        sys.executable,
        "-m",
        "pigeon_edge",
        "geotag",
        photographs,
        "--out",
        "/dev/stdout",
        "--bundle",
        tiny.path,
    ]
    with (tmp_path / "shell.jsonl").open("w") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, env=environment, check=True, timeout=60)
    assert len((tmp_path / "shell.jsonl").read_text().splitlines()) == 3


def test_geotag_with_a_broken_photograph_writes_all_and_exits_3(located, photographs, tmp_path):
    (photographs / "2.jpg").write_text("no photograph")
    (photographs / "notes.txt").write_text("other")
    found = located("geotag", photographs, "--out", "a.jsonl")
    assert found.returncode == 3
    assert "left out 1 files that are no photographs by their names" in found.stderr
    assert one_line(found.stderr) == "pigeon-edge: 1 photographs could not be read; their records say why"
    statuses = [json.loads(line)["status"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert statuses == ["located", "located", "error", "located"]


def test_max_pixels_is_one_limit(located, photographs, tmp_path):
    found = located("geotag", photographs, "--out", "a.jsonl", "--max-pixels", "3071")
    assert found.returncode == 3
    assert "Warning" not in found.stderr
    for line in (tmp_path / "a.jsonl").read_text().splitlines():
        assert "64 x 48 pixels is over the limit" in json.loads(line)["error"]
    assert located("locate", photographs, "--max-pixels", "3072").returncode == 0


def test_run_samples_limits_and_prints_or_writes(located, photographs, tmp_path):
    found = located("run", photographs, "--fps", "0.5")
    assert found.returncode == 0
    assert [json.loads(line)["frame"]["index"] for line in found.stdout.splitlines()] == [0, 2]
    assert one_line(found.stderr) == "pigeon-edge: 2 located, 0 failed"
    found = located("run", photographs, "--limit", "2", "--out", "a.jsonl")
    assert (found.returncode, found.stdout) == (0, "")
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["place"]["country"] for line in lines] == ["Rubra", "Verda"]


def test_run_goes_on_after_a_broken_image_and_exits_3(located, photographs):
    (photographs / "2.jpg").write_text("no photograph")
    found = located("run", photographs, "--out", "-")
    assert found.returncode == 3
    assert [json.loads(line)["status"] for line in found.stdout.splitlines()] == [*["located"] * 2, "error", "located"]
    assert one_line(found.stderr) == "pigeon-edge: 1 frames could not be read; their events say why"


def test_a_reader_that_leaves_early_is_no_traceback(photographs, tiny, environment):
    command = [sys.executable, "-m", "pigeon_edge", "run", photographs, "--bundle", tiny.path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 1
    assert "Traceback" not in stderr


def test_no_colour_codes_are_written(pigeon, tiny, photographs):
    for variables in ({"NO_COLOR": "1"}, {}):
        found = pigeon("geotag", photographs, "--out", "a.csv", "--bundle", tiny.path, **variables)
        assert "\x1b" not in found.stdout + found.stderr + pigeon("locate", "-h", **variables).stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_a_stopped_geotag_leaves_nothing_half_written(tmp_path, tiny, environment, number, code):
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), dtype=np.uint8)
    (tmp_path / "photographs").mkdir()
    Image.fromarray(noise).save(tmp_path / "photographs" / "0.png", compress_level=1)
    for copy in range(1, 1500):
        os.link(tmp_path / "photographs" / "0.png", tmp_path / "photographs" / f"{copy}.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.geojson").write_text("old")
    command = [sys.executable, "-m", "pigeon_edge", "geotag", "photographs", "--out", "out/a.geojson"]
    process = subprocess.Popen(
        [*command, "--bundle", tiny.path], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    _wait_for(lambda: any(path.stat().st_size for path in (tmp_path / "out").glob(".a.geojson.*/**/a.geojson")))
    process.send_signal(number)
    assert process.wait(20) == code
    with process.stderr:
        assert "Traceback" not in process.stderr.read()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.geojson"]
    assert (tmp_path / "out" / "a.geojson").read_text() == "old"


def _wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
