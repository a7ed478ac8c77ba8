from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pigeon_edge import __version__
from pigeon_edge.bundle import open_bundle, seal
from pigeon_edge.cli.main import app
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.confidence import UNFITTED, Claim
from pigeon_edge.testing import write_colour, write_tiny_bundle


@pytest.fixture
def located(pigeon, tiny):
    """Run a command with the tiny bundle."""
    return lambda *arguments: pigeon(*arguments, "--bundle", tiny.path, "--engine", "onnxruntime")


def _one_line(stderr):
    assert "Traceback" not in stderr
    assert stderr.startswith("pigeon-edge: ")
    return stderr.strip().splitlines()[-1]


def test_locate_prints_a_table_and_nothing_else(located, photographs):
    found = located("locate", photographs)
    assert (found.returncode, found.stderr) == (0, "")
    header, *rows = found.stdout.splitlines()
    assert header.split("  ")[0] == "photograph"
    assert [row.split()[0] for row in rows] == ["1-red.png", "2-green.png", "3-blue.png"]
    assert "45.0000, -100.0000  Plain, Verda" in rows[1]


def test_locate_json_is_one_event_a_line_with_the_candidates_asked_for(located, photographs):
    for count in (1, 2):
        found = located("locate", photographs, "--json", "--top-k", count.__str__())
        events = [json.loads(line) for line in found.stdout.splitlines()]
        assert [event["place"]["country"] for event in events] == ["Rubra", "Verda", "Blua"]
        assert {len(event["candidates"]) for event in events} == {count}


def test_locate_top_k_prints_a_row_for_each_further_candidate(located, photographs):
    rows = located("locate", photographs / "1-red.png", "--top-k", "2").stdout.splitlines()[1:]
    assert len(rows) == 2
    assert "Plain, Verda (0%)" in rows[1]


def test_locate_with_a_broken_photograph_tells_the_others_and_exits_3(located, photographs):
    (photographs / "0.jpg").write_text("no photograph")
    found = located("locate", photographs)
    assert found.returncode == 3
    assert len(found.stdout.splitlines()) == 4
    assert "0.jpg: expected an image" in found.stderr
    assert _one_line(found.stderr) == "pigeon-edge: 3 located, 1 failed"


def test_broken_metadata_is_no_noise(located, tmp_path):
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0"
    Image.new("RGB", (32, 32), (250, 5, 5)).save(tmp_path / "a.jpg", exif=exif)
    assert located("locate", "a.jpg").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("locate", "gone.jpg"), 4, "gone.jpg: no such file or folder"),
        (("locate", "."), 4, "expected photographs, found none"),
        (("locate", "a.png", "--bundle", "gone.pigeon"), 5, "gone.pigeon: expected a bundle, found no manifest.json"),
        (("bundle", "info", "gone.pigeon"), 5, "expected a bundle"),
        (("bundle", "verify", "a.png"), 5, "expected a bundle folder, found a file"),
        (("run", "gone.mp4"), 4, "gone.mp4: no such source"),
        (("geotag", "a.png", "--out", "a.kml"), 2, "no known format ends in .kml; say --format"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_error_is_one_line_and_its_exit_code(pigeon, tmp_path, arguments, code, words):
    if "a.png" in arguments:
        write_colour(tmp_path / "a.png", (1, 2, 3))
    found = pigeon(*arguments)
    assert (found.returncode, found.stdout) == (code, "")
    assert words in _one_line(found.stderr)
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("locate",),
        ("locate", "a", "--top-k", "0"),
        ("geotag", "a"),
        ("run", "0", "--fps", "0"),
        ("--no",),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_exits_2_with_usage(arguments):
    found = CliRunner().invoke(app, arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "Usage: " in found.stderr
    assert "Error: " in found.stderr


def test_a_graph_that_no_engine_runs_exits_6(pigeon, tmp_path):
    write_tiny_bundle(tmp_path / "empty.pigeon")
    write_colour(tmp_path / "a.png", (1, 2, 3))
    found = pigeon("locate", "a.png", "--bundle", "empty.pigeon", "--engine", "onnxruntime")
    assert found.returncode == 6
    assert "ONNX Runtime cannot run it" in _one_line(found.stderr)


@pytest.mark.parametrize("command", ["locate", "geotag", "run", "bench", "doctor", "bundle info", "bundle verify"])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_ends_with_examples(command, option):
    found = CliRunner().invoke(app, [*command.split(), option])
    assert (found.exit_code, found.stderr) == (0, "")
    _, _, examples = found.stdout.partition("Examples:")
    assert f"pigeon-edge {command} " in examples


def test_the_root_lists_its_commands_and_its_version(pigeon):
    assert pigeon("--version").stdout == f"{__version__}\n"
    listed = pigeon("-h").stdout
    assert all(f"  {command} " in listed for command in ("locate", "geotag", "run", "bench", "doctor", "bundle"))


def test_geotag_writes_three_formats(located, photographs, tmp_path):
    for name in ("a.jsonl", "a.geojson", "a.csv"):
        found = located("geotag", photographs, "--out", name)
        assert (found.returncode, found.stdout) == (0, "")
        assert _one_line(found.stderr) == f"pigeon-edge: 3 located, 0 failed; wrote {name}"
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
    assert header.endswith("  50% km  90% km  claims km  true error km")
    assert [row.split()[-3:] for row in rows] == [["80", "3,000", "200"]] * 3 + [["80", "3,000", "-"]]


def test_unsure_answers_are_withheld_and_counted(of_one_who_claims, photographs, tmp_path):
    (photographs / "5.jpg").write_text("no photograph")
    found = of_one_who_claims("geotag", photographs, "--out", "a.csv", "--within", "200")
    assert "3 located, 1 withheld, 1 failed; wrote a.csv" in found.stderr
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["source_id"]).name[0] for row in rows] == ["1", "2", "3", "5"]
    assert [(row["radius_50_m"], row["radius_m"], row["within_m"]) for row in rows[:3]] == [
        ("80000", "3000000", "200000")
    ] * 3


def test_an_unsure_answer_that_is_kept_claims_nothing(of_one_who_claims, photographs):
    lines = of_one_who_claims("geotag", photographs, "--out", "-").stdout.splitlines()
    assert [json.loads(line)["location"]["within_m"] for line in lines] == [200000, 200000, 200000, None]


def test_run_and_locate_withhold_alike(of_one_who_claims, photographs):
    found = of_one_who_claims("run", photographs, "--within", "1000")
    assert len(found.stdout.splitlines()) == 3
    assert _one_line(found.stderr) == "pigeon-edge: 3 located, 1 withheld, 0 failed"
    found = of_one_who_claims("locate", photographs, "--within", "200", "--json")
    assert len(found.stdout.splitlines()) == 3
    assert _one_line(found.stderr) == "pigeon-edge: 1 withheld: too unsure to claim 200 km"


def test_a_distance_that_no_answer_can_claim_is_refused(of_one_who_claims, located, photographs):
    found = of_one_who_claims("locate", photographs, "--within", "25")
    assert found.returncode == 2
    assert "--within 25: answers of tiny@" in _one_line(found.stderr)
    assert "claim 200 km, so all would be left out; ask for more kilometres" in found.stderr
    assert "claim no distance, so all" in located("geotag", photographs, "--out", "a.csv", "--within", "9").stderr


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
    assert _one_line(found.stderr) == "pigeon-edge: 1 photographs could not be read; their records say why"
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
    assert _one_line(found.stderr) == "pigeon-edge: 2 located, 0 failed"
    found = located("run", photographs, "--limit", "2", "--out", "a.jsonl")
    assert (found.returncode, found.stdout) == (0, "")
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["place"]["country"] for line in lines] == ["Rubra", "Verda"]


def test_run_goes_on_after_a_broken_image_and_exits_3(located, photographs):
    (photographs / "2.jpg").write_text("no photograph")
    found = located("run", photographs, "--out", "-")
    assert found.returncode == 3
    assert [json.loads(line)["status"] for line in found.stdout.splitlines()] == [*["located"] * 2, "error", "located"]
    assert _one_line(found.stderr) == "pigeon-edge: 1 frames could not be read; their events say why"


def test_a_reader_that_leaves_early_is_no_traceback(photographs, tiny, environment):
    command = [sys.executable, "-m", "pigeon_edge", "run", photographs, "--bundle", tiny.path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 1
    assert "Traceback" not in stderr


def test_bundle_info_and_verify(pigeon, own):
    found = pigeon("bundle", "info", own.path)
    assert (found.returncode, found.stderr) == (0, "")
    assert f"digest       {own.digest}\n" in found.stdout
    assert "gallery      6 photographs in 3 clusters\n" in found.stdout
    document = json.loads(pigeon("bundle", "info", own.path, "--json").stdout)
    assert (document["name"], document["digest"]) == ("tiny", own.digest)
    found = pigeon("bundle", "verify", own.path)
    assert (found.returncode, found.stdout) == (0, "")
    assert f"{own.label}: all 9 files are as the manifest says" in found.stderr
    (own.path / "MODEL_CARD.md").write_text("# evil\n")
    found = pigeon("bundle", "verify", own.path)
    assert found.returncode == 5
    assert "MODEL_CARD.md: checksum differs" in _one_line(found.stderr)


def test_the_bundle_may_be_named_by_the_environment(pigeon, photographs, tiny):
    found = pigeon("locate", photographs, "--json", PIGEON_EDGE_BUNDLE=str(tiny.path))
    assert json.loads(found.stdout.splitlines()[0])["model"]["bundle"] == tiny.label


def test_the_toy_planet_announces_itself_on_stderr(pigeon, photographs):
    if not (TOY_PLANET / "manifest.json").exists():
        pytest.skip("the toy planet is not in this checkout")
    found = pigeon("locate", photographs / "1-red.png", "--json")
    assert found.returncode == 0
    assert "using the toy planet, which knows no real place; name another bundle with --bundle" in found.stderr
    assert json.loads(found.stdout)["model"]["bundle"].startswith("toy-planet@")


def test_no_colour_codes_are_written(pigeon, tiny, photographs):
    for variables in ({"NO_COLOR": "1"}, {}):
        found = pigeon("geotag", photographs, "--out", "a.csv", "--bundle", tiny.path, **variables)
        assert "\x1b" not in found.stdout + found.stderr + pigeon("locate", "-h", **variables).stdout


def test_a_file_name_that_is_no_utf_8_is_no_traceback(pigeon, tiny, photographs):
    (photographs / "1-red.png").rename(photographs / os.fsdecode(b"caf\xe9.png"))
    for options in ((), ("--json",)):
        found = pigeon("locate", photographs, "--bundle", tiny.path, *options, PYTHONIOENCODING="utf-8:strict")
        assert found.returncode == 0
        assert "caf\\udce9.png" in found.stdout


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
