"""The device's command line: locate, bundle, help and errors."""

from __future__ import annotations

import json
import os

import pytest
from PIL import Image
from tests.edge.talk import one_line
from typer.testing import CliRunner

from pigeon_edge import __version__
from pigeon_edge.cli.main import app
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.testing import write_colour, write_tiny_bundle


def test_locate_prints_a_table_and_nothing_else(located, photographs):
    found = located("locate", photographs)
    assert (found.returncode, found.stderr) == (0, "")
    header, *rows = found.stdout.splitlines()
    assert header.split("  ")[0] == "photograph"
    assert [row.split()[0] for row in rows] == ["1-red.png", "2-green.png", "3-blue.png"]
    assert "45.0000, -100.0000" in rows[1]
    assert rows[1].endswith("  Plain, Verda")


def test_locate_json_is_one_event_a_line_with_the_candidates_asked_for(located, photographs):
    for count in (1, 2):
        found = located("locate", photographs, "--json", "--top-k", count.__str__())
        events = [json.loads(line) for line in found.stdout.splitlines()]
        assert [event["place"]["country"] for event in events] == ["Rubra", "Verda", "Blua"]
        assert {len(event["candidates"]) for event in events} == {count}


def test_locate_top_k_prints_a_row_for_each_further_candidate(located, photographs):
    rows = located("locate", photographs / "1-red.png", "--top-k", "2").stdout.splitlines()[1:]
    assert len(rows) == 2
    assert "Plain, Verda (geocell 0%)" in rows[1]


def test_locate_with_a_broken_photograph_tells_the_others_and_exits_3(located, photographs):
    (photographs / "0.jpg").write_text("no photograph")
    found = located("locate", photographs)
    assert found.returncode == 3
    assert len(found.stdout.splitlines()) == 4
    assert "0.jpg: expected an image" in found.stderr
    assert one_line(found.stderr) == "pigeon-edge: 3 located, 1 failed"


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
    assert words in one_line(found.stderr)
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
    assert "ONNX Runtime cannot run it" in one_line(found.stderr)


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
    assert "MODEL_CARD.md: checksum differs" in one_line(found.stderr)


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


def test_a_file_name_that_is_no_utf_8_is_no_traceback(pigeon, tiny, photographs):
    (photographs / "1-red.png").rename(photographs / os.fsdecode(b"caf\xe9.png"))
    for options in ((), ("--json",)):
        found = pigeon("locate", photographs, "--bundle", tiny.path, *options, PYTHONIOENCODING="utf-8:strict")
        assert found.returncode == 0
        assert "caf\\udce9.png" in found.stdout
