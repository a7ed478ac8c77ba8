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
from PIL import ExifTags, Image
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
    assert [json.loads(line)["frame"]["index"] for line in found.stdout.splitlines()] == [0, 1, 2]
    assert one_line(found.stderr) == "pigeon-edge: 3 located, 0 failed"
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
    assert process.wait(30) == 0
    assert stderr == "pigeon-edge: 1 located, 0 failed\n"


@pytest.mark.parametrize("arguments", [("geotag", "--out", "-"), ("locate",), ("locate", "--json")], ids=" ".join)
def test_a_closed_pipe_is_a_quiet_end(photographs, tiny, environment, arguments):
    command = [sys.executable, "-m", "pigeon_edge", *arguments, photographs, "--bundle", tiny.path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(30) == 0


def test_no_colour_codes_are_written(pigeon, tiny, photographs):
    for variables in ({"NO_COLOR": "1"}, {}):
        found = pigeon("geotag", photographs, "--out", "a.csv", "--bundle", tiny.path, **variables)
        assert "\x1b" not in found.stdout + found.stderr + pigeon("locate", "-h", **variables).stdout


@pytest.fixture
def many(tmp_path):
    """1,500 names of one photograph that takes a while to decode."""
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), dtype=np.uint8)
    (tmp_path / "photographs").mkdir()
    Image.fromarray(noise).save(tmp_path / "photographs" / "0.png", compress_level=1)
    for copy in range(1, 1500):
        os.link(tmp_path / "photographs" / "0.png", tmp_path / "photographs" / f"{copy}.png")
    return tmp_path


def _start(folder, tiny, environment, *arguments):
    command = [sys.executable, "-m", "pigeon_edge", *arguments, "--bundle", tiny.path]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def _stop(process, number):
    process.send_signal(number)
    code = process.wait(20)
    with process.stderr:
        return code, process.stderr.read()


SIGNALS = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)


@SIGNALS
def test_a_stopped_geotag_keeps_what_it_has_and_goes_on(many, tiny, environment, number, code):
    (many / "out").mkdir()
    (many / "out" / "a.geojson").write_text("old")
    part = many / "out" / "a.geojson.part"
    process = _start(many, tiny, environment, "geotag", "photographs", "--out", "out/a.geojson")
    _wait_for(lambda: part.exists() and part.read_bytes().count(b"\n") > 20)
    stopped, said = _stop(process, number)
    assert (stopped, "Traceback" in said) == (code, False)
    assert f"stopped; {part} keeps " in said
    assert "run the same command again to go on" in said
    assert sorted(path.name for path in (many / "out").iterdir()) == ["a.geojson", "a.geojson.part"]
    assert (many / "out" / "a.geojson").read_text() == "old"
    for path in list((many / "photographs").iterdir()):
        if path.name not in ("0.png", "1.png", "10.png", "100.png"):
            path.unlink()
    process = _start(many, tiny, environment, "geotag", "photographs", "--out", "out/a.geojson")
    with process.stderr:
        said = process.stderr.read()
    assert process.wait(30) == 0
    assert "going on after " in said
    assert "4 located, 0 failed; wrote out/a.geojson" in said
    assert [path.name for path in (many / "out").iterdir()] == ["a.geojson"]
    assert len(json.loads((many / "out" / "a.geojson").read_text())["features"]) == 4


def test_what_a_killed_geotag_leaves_is_used_by_the_next(many, tiny, environment):
    part = many / "a.csv.part"
    for _ in range(2):
        process = _start(many, tiny, environment, "geotag", "photographs", "--out", "a.csv")
        _wait_for(lambda: part.exists() and part.read_bytes().count(b"\n") > 20)
        _stop(process, signal.SIGKILL)
        assert len(list(many.glob(".a.csv.*"))) == 1
    for path in list((many / "photographs").iterdir())[2:]:
        path.unlink()
    process = _start(many, tiny, environment, "geotag", "photographs", "--out", "a.csv")
    with process.stderr:
        process.stderr.read()
    assert process.wait(30) == 0
    assert list(many.glob(".a.csv.*")) == []
    assert not part.exists()


@SIGNALS
@pytest.mark.parametrize("name", ["log.jsonl", "log.csv", "log.geojson"])
def test_a_stopped_run_keeps_every_event_and_says_how_many(many, tiny, environment, number, code, name):
    process = _start(many, tiny, environment, "run", "photographs", "--out", name)
    _wait_for(lambda: (many / name).exists() and (many / name).read_bytes().count(b"\n") > 5)
    stopped, said = _stop(process, number)
    assert stopped == code
    count = _events_in(many / name)
    assert count > 3
    assert f"pigeon-edge: {count} located, 0 failed" in said


def test_a_killed_run_keeps_every_event_and_the_next_appends(many, tiny, environment):
    process = _start(many, tiny, environment, "run", "photographs", "--out", "log.jsonl")
    _wait_for(lambda: (many / "log.jsonl").exists() and (many / "log.jsonl").read_bytes().count(b"\n") > 5)
    _stop(process, signal.SIGKILL)
    before = _events_in(many / "log.jsonl")
    process = _start(many, tiny, environment, "run", "photographs", "--limit", "2", "--out", "log.jsonl")
    with process.stderr:
        process.stderr.read()
    assert process.wait(30) == 0
    assert _events_in(many / "log.jsonl") == before + 2


def _events_in(path):
    text = path.read_text()
    if path.suffix == ".geojson":
        return len(json.loads(text)["features"])
    if path.suffix == ".csv":
        return len(list(csv.DictReader(text.splitlines())))
    return len([json.loads(line) for line in text.splitlines()])


@pytest.mark.parametrize("name", ["a.geojson", "a.csv", "a.jsonl"])
def test_run_writes_the_format_of_the_name_and_goes_on_where_the_file_ends(located, photographs, tmp_path, name):
    for count in (3, 6):
        assert located("run", photographs, "--out", name).returncode == 0
        assert _events_in(tmp_path / name) == count
    once = located("geotag", photographs, "--out", f"once-{name}")
    assert once.returncode == 0
    assert _events_in(tmp_path / f"once-{name}") == 3


def test_run_refuses_a_name_without_a_format_and_a_file_that_is_not_its_own(located, photographs, tmp_path):
    found = located("run", photographs, "--out", "y.foo")
    assert (found.returncode, (tmp_path / "y.foo").exists()) == (2, False)
    assert "no known format ends in .foo" in one_line(found.stderr)
    for name, words in (("a.csv", "a CSV file with today's columns"), ("a.geojson", "GeoJSON that this program wrote")):
        (tmp_path / name).write_text("diary\n")
        found = located("run", photographs, "--out", name)
        assert (found.returncode, (tmp_path / name).read_text()) == (2, "diary\n")
        assert words in found.stderr


def test_half_a_line_of_a_killed_run_is_ended(located, photographs, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"schema": "pig')
    assert located("run", photographs, "--limit", "1", "--out", "a.jsonl").returncode == 0
    first, second = (tmp_path / "a.jsonl").read_text().splitlines()
    assert first == '{"schema": "pig'
    assert json.loads(second)["status"] == "located"


def test_frames_of_a_folder_are_the_photographs_as_locate_reads_them(located, photographs):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (46.0, 0.0, 0.0), 3: "W", 4: (100.0, 0.0, 0.0)})
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((900, 600)).save(photographs / "4.jpg", exif=exif)
    ran, geotagged = (
        [json.loads(line) for line in located(*command).stdout.splitlines()]
        for command in (("run", photographs), ("geotag", photographs, "--out", "-"))
    )
    assert [event.pop("frame") for event in ran] == [
        *({"index": number, "width": 64, "height": 48} for number in range(3)),
        {"index": 3, "width": 900, "height": 600},
    ]
    assert ran == geotagged
    assert ran[3]["gps"]["lat"] == 46


def test_a_position_that_cannot_be_known_is_in_the_record_and_counted(located, photographs, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({2: (46.0, 0.0, 0.0), 3: "W", 4: (100.0, 0.0, 0.0)})
    Image.new("RGB", (64, 48), (250, 5, 5)).save(photographs / "4.jpg", exif=exif)
    found = located("geotag", photographs, "--out", "a.csv")
    assert "4 located, 0 failed, 1 with a position in the file that cannot be known" in found.stderr
    with (tmp_path / "a.csv").open(newline="") as file:
        problems = [row["gps_problem"] for row in csv.DictReader(file)]
    assert problems == ["", "", "", "EXIF: latitude: no N or S, so that its sign cannot be known"]


def _wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
