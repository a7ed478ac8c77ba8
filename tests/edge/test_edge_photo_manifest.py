from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from pigeon_edge.answer.estimate import Place
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.manifest import PhotoRow, Split, lat_lng_of_rows, read_manifest, write_manifest
from pigeon_edge.settings import read_settings


def _manifest(tmp_path, text):
    (tmp_path / "photos.csv").write_text(text, encoding="utf-8")
    return read_manifest(tmp_path / "photos.csv")


def test_a_manifest_needs_three_columns_and_knows_more(tmp_path):
    plain, full = (
        *_manifest(tmp_path, "path,lat,lng,other\na/1.jpg,12.5,-100,x\n"),
        *_manifest(tmp_path, "lng,lat,path,month,heading_deg,country,place_id\n-100,12.5,b.jpg,7,90.5,Verda,p7\n"),
    )
    assert plain == PhotoRow(tmp_path / "a/1.jpg", 12.5, -100.0, "a/1.jpg")
    assert full == PhotoRow(tmp_path / "b.jpg", 12.5, -100.0, "p7", 7, 90.5, "", "Verda")
    assert full.place == Place("", "Verda", "")
    assert lat_lng_of_rows([plain, full]).tolist() == [[12.5, -100.0]] * 2
    assert lat_lng_of_rows([]).shape == (0, 2)


def test_what_is_written_is_read(tmp_path):
    rows = [
        PhotoRow(tmp_path / "a,b.jpg", -90.0, 180.0, "p", 1, 0.0, "XV", "Verda", "Plaín"),
        PhotoRow(tmp_path / "sub" / "c.jpg", 1.25, 2.5, "sub/c.jpg"),
    ]
    write_manifest(tmp_path / "photos.csv", rows)
    assert read_manifest(tmp_path / "photos.csv") == rows


@pytest.mark.parametrize(
    "row",
    ["a.jpg,91,0", "a.jpg,0,181", "a.jpg,0,0", "a.jpg,nan,3", "a.jpg,inf,3", "a.jpg,north,3", "a.jpg,5", "a.jpg,,"],
)
def test_a_row_that_names_no_place_is_refused_with_its_line(tmp_path, row):
    with pytest.raises(InputError, match=r"photos.csv:3: .*; mend"):
        _manifest(tmp_path, f"path,lat,lng\nb.jpg,1,2\n{row}\n")


def test_a_file_that_is_no_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected path, lat and lng"):
        _manifest(tmp_path, "file,x,y\na.jpg,1,2\n")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "binary.csv", tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match=r"expected a manifest \(CSV with path, lat, lng\)"):
            read_manifest(path)


def test_a_place_is_in_one_split_for_ever(tmp_path):
    rows = [PhotoRow(tmp_path / f"{n}.jpg", 1.0, 2.0, f"place-{n}") for n in range(4000)]
    shares = Counter(row.split for row in rows)
    assert shares[Split.TRAIN] / 4000 == pytest.approx(0.80, abs=0.02)
    assert shares[Split.VALIDATION] / 4000 == pytest.approx(0.05, abs=0.015)
    assert [row.split.value for row in rows[:4]] == [PhotoRow(tmp_path, 3.0, 4.0, f"place-{n}").split for n in range(4)]
    assert [row.split.value for row in rows[:6]] == ["train", "test", "train", "train", "test", "train"]


@dataclass(frozen=True)
class _Settings:
    size: int
    rate: float = 0.5


def test_settings_are_read_strictly():
    assert read_settings(_Settings, {"size": 3, "rate": 0.1}) == _Settings(3, 0.1)
    for document in ({"size": 3}, {"size": 3, "rate": 1, "rte": 2}):
        with pytest.raises(UsageError, match=r"_Settings: expected the keys \['rate', 'size'\], found"):
            read_settings(_Settings, document)
