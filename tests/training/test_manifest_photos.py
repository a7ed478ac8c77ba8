"""``train manifest import photos``: a folder of one's own photographs, by the positions that they carry."""

from __future__ import annotations

import pytest
from PIL import ExifTags, Image
from typer.testing import CliRunner

from pigeon_edge.errors import InputError
from pigeon_edge.manifest import read_manifest
from pigeon_training.cli import app


def _photograph(path, gps, taken=None):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    if taken:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20)).save(path, exif=exif.tobytes())


TOWER = {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)}


@pytest.fixture
def pictures(tmp_path):
    _photograph(tmp_path / "in/a.jpg", TOWER, "2024:07:14 12:00:00")
    _photograph(tmp_path / "in/more/b.jpg", {**TOWER, 1: "S", 3: "W"})
    _photograph(tmp_path / "in/c.jpg", {**TOWER, 2: (48.0, 51.0, 31.0)}, "0000:00:00 00:00:00")
    _photograph(tmp_path / "in/d.jpg", {})
    _photograph(tmp_path / "in/e.jpg", {2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    (tmp_path / "in/f.jpg").write_text("no photograph")
    return tmp_path / "in"


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "elsewhere/out.csv"])
def test_photographs_with_positions_become_a_manifest(pictures, tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    result = CliRunner().invoke(app, ["manifest", "import", "photos", str(pictures), "--out", str(tmp_path / name)])
    assert result.exit_code == 0, result.exception
    rows = {row.path.name: row for row in read_manifest(tmp_path / name)}
    assert set(rows) == {"a.jpg", "b.jpg", "c.jpg"}
    assert all(row.path.resolve().is_file() for row in rows.values())
    assert (rows["a.jpg"].lat, rows["a.jpg"].lng) == pytest.approx((48.858333, 2.294444), abs=1e-6)
    assert (rows["b.jpg"].lat, rows["b.jpg"].lng) == pytest.approx((-48.858333, -2.294444), abs=1e-6)
    assert [rows[f"{name}.jpg"].month for name in "abc"] == [7, None, None]
    assert rows["a.jpg"].place_id == rows["c.jpg"].place_id != rows["b.jpg"].place_id
    for words in (
        "1 photographs: no position in it",
        "1 photographs: a position that cannot be known",
        "1 photographs: cannot be opened",
        "3 photographs of 2 places in ",
    ):
        assert words in result.stderr


def test_photographs_without_any_position_are_refused(tmp_path):
    _photograph(tmp_path / "a.jpg", {})
    result = CliRunner().invoke(app, ["manifest", "import", "photos", str(tmp_path), "--out", str(tmp_path / "o.csv")])
    assert isinstance(result.exception, InputError)
    assert "expected photographs with GPS in EXIF or XMP" in str(result.exception)
    assert not (tmp_path / "o.csv").exists()
