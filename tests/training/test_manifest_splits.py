"""Which photographs are trained on, and which manifests are refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pigeon_edge.errors import InputError
from pigeon_edge.manifest import PhotoRow, Split, read_manifest, write_manifest
from pigeon_training.data.dataset import read_split


def row(place_id, path="a.jpg"):
    return PhotoRow(Path(path), 1.0, 2.0, place_id)


@pytest.mark.parametrize(
    ("place_id", "split"), [("paris", Split.TRAIN), ("lagos", Split.VALIDATION), ("place-1", Split.TEST)]
)
def test_known_places_keep_their_split(place_id, split):
    assert row(place_id).split is split


def test_shares_are_80_5_and_15_percent():
    counts = Counter(row(f"place {number}").split for number in range(10_000))
    assert counts[Split.TRAIN] == pytest.approx(8000, abs=120)
    assert counts[Split.VALIDATION] == pytest.approx(500, abs=75)
    assert counts[Split.TEST] == pytest.approx(1500, abs=110)


def test_all_photographs_of_a_place_are_in_one_split(tmp_path):
    write_manifest(tmp_path / "m.csv", [row(f"p{n % 80}", tmp_path / f"{n}.jpg") for n in range(400)])
    parts = [{r.place_id for r in read_split(tmp_path / "m.csv", split)} for split in Split]
    assert sum(len(part) for part in parts) == len(set.union(*parts)) == 80


def test_row_without_a_place_is_a_place_of_its_own(tmp_path):
    (tmp_path / "m.csv").write_text("path,lat,lng\nx/a.jpg,1,2\nx/b.jpg,1,2\n")
    assert [r.place_id for r in read_manifest(tmp_path / "m.csv")] == ["x/a.jpg", "x/b.jpg"]


def test_manifest_is_read_as_it_was_written(tmp_path):
    rows = [
        PhotoRow(tmp_path / "sub" / "a, b.jpg", -33.5, 151.25, "p", 12, 270.5, "XA", 'The "Ã"', "North\nSouth"),
        PhotoRow(tmp_path / "c.jpg", 90.0, -180.0, "q"),
    ]
    write_manifest(tmp_path / "m.csv", rows)
    assert read_manifest(tmp_path / "m.csv") == rows


def test_split_without_places_is_refused(tmp_path):
    write_manifest(tmp_path / "m.csv", [row("paris", tmp_path / "a.jpg")])
    with pytest.raises(InputError, match="none of its places falls into the test split; it needs more places"):
        read_split(tmp_path / "m.csv", Split.TEST)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,lat\na.jpg,1\n", r"m\.csv:2: expected path, lat and lng, found .*; mend the row"),
        ("lat,lng\n1,2\n", r"m\.csv:2: expected path, lat and lng"),
        ("path,lat,lng\na.jpg,1,2\nb.jpg,north,2\n", r"m\.csv:3: expected path, lat and lng"),
        ("path,lat,lng\na.jpg,1\n", r"m\.csv:2: expected path, lat and lng"),
        ("path,lat,lng,month\na.jpg,1,2,May\n", r"m\.csv:2: expected path, lat and lng"),
        ("path,lat,lng\na.jpg,0,0\n", r"m\.csv:2: lat 0\.0, lng 0\.0 is no place that was meant; mend or drop the row"),
        ("path,lat,lng\na.jpg,90.1,0\n", r"lat 90\.1, lng 0\.0 is no place that was meant"),
        ("path,lat,lng\na.jpg,10,-180.5\n", r"lng -180\.5 is no place that was meant"),
        ("path,lat,lng\na.jpg,nan,5\n", r"lat nan, lng 5\.0 is no place that was meant"),
    ],
)
def test_bad_rows_are_named_by_line(tmp_path, text, words):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0\x00\x10JFIF", None])
def test_files_that_are_no_csv_are_refused(tmp_path, content):
    if content:
        (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.csv: expected a manifest \(CSV with path, lat, lng\), "):
        read_manifest(tmp_path / "m.csv")
