"""``calibrate confidence`` from manifest to settings, report and picture."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from PIL import Image
from tests.calibration.confidence_examples import rows_of_splits
from typer.testing import CliRunner

from pigeon_calibration.cli import app
from pigeon_calibration.confidence import calibrate as stage
from pigeon_edge.answer.confidence import read_confidence
from pigeon_edge.bundle.format import GRAPH
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.files import sha256_of
from pigeon_edge.manifest import Split, read_manifest, write_manifest
from pigeon_edge.testing import FakeEncoder


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


def test_command_writes_settings_report_and_picture(run, bundle, manifest, tmp_path):
    out, told, plot = tmp_path / "o" / "c.json", tmp_path / "o" / "r.json", tmp_path / "o" / "p.png"
    (manifest.parent / "0.png").unlink(missing_ok=True)
    broken = next(path for path in sorted(manifest.parent.glob("*.png")))
    broken.write_text("no photograph")
    result = run("--out", out, "--report", told, "--plot", plot, "--risk", "0.2")
    assert result.exit_code == 0, result.exception
    assert result.stdout.count("\n") == 7
    settings, document = read_confidence(out), json.loads(told.read_text())
    assert document["settings"] == json.loads(out.read_text())
    assert settings.graph_sha256 == sha256_of(bundle.file(GRAPH))
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
    assert "truth within the 90% radius" in result.stdout
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
    assert "to fit on, of at least 20 places, found 0 of 0; add places" in str(result.exception)
    assert "or mend the 150 that cannot be read, such as" in str(result.exception)
    assert not (tmp_path / "c.json").exists()


def test_settings_stay_where_too_few_of_the_others_can_be_read_to_judge_them(run, manifest, tmp_path):
    judges = [row.path for row in read_manifest(manifest) if row.split is Split.TEST]
    for path in judges[19:]:
        path.unlink()
    result = run("--out", tmp_path / "c.json", "--report", tmp_path / "r.json")
    assert isinstance(result.exception, InputError)
    assert "to judge by, of at least 20 places, found 19 of 19; add places" in str(result.exception)
    assert f"or mend the 131 that cannot be read, such as {judges[19]}" in str(result.exception)
    assert read_confidence(tmp_path / "c.json").fitted_on == 150
    assert f"{tmp_path / 'c.json'}: fitted on 150 photographs of 150 places" in result.stderr
    assert not (tmp_path / "r.json").exists()


def test_the_encoder_is_released_before_the_picture_is_drawn(run, manifest, tmp_path, monkeypatch, bundle, locator):
    happened = []

    class Releasing(FakeEncoder):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            happened.append("released")

    monkeypatch.setattr(stage, "open_locator", lambda *_, **__: replace(locator, encoder=Releasing()))
    monkeypatch.setattr("pigeon_calibration.confidence.picture.write_picture", lambda *_: happened.append("drawn"))
    assert run("--out", tmp_path / "c.json", "--plot", tmp_path / "p.png").exit_code == 0
    assert happened == ["released", "drawn"]
    for path in manifest.parent.glob("*.png"):
        path.unlink()
    assert run("--out", tmp_path / "c.json").exit_code != 0
    assert happened == ["released", "drawn", "released"]
