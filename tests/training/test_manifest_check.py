"""Bad rows are counted by what is wrong with them; photographs of a benchmark are found by id, content and author."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeon_edge.errors import InputError
from pigeon_edge.manifest import PhotoRow, read_manifest, write_manifest
from pigeon_training.data.dataset import read_split
from pigeon_training.data.manifests.bad_rows import Defect
from pigeon_training.data.manifests.contamination import contamination, photo_id
from pigeon_training.data.manifests.examination import examine
from pigeon_training.data.manifests.table import read_table, texts_of, with_columns, write_table


def unwatched(rows, total):
    return rows


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("1000269685_e60e9cdfb4_1125_78841376@N00.jpg", "1000269685"),
        ("Ankara_00003_601190107_9f05b2251e_1292_8504005@N07.jpg", "601190107"),
        ("f6/3a/1000269685.jpg", "1000269685"),
        ("f6_3a_1000269685.jpg", "1000269685"),
        ("3859149887465501.jpg", "3859149887465501"),
        ("gsv_10.jpg", "gsv_10"),
        ("IMG_0012.JPG", "img_0012"),
    ],
)
def test_photo_id_of_published_names(name, identity):
    assert photo_id(Path(name)) == identity


def row(path, author=""):
    return PhotoRow(Path(path), 1.0, 2.0, str(path), author=author)


def test_contamination_by_id_content_and_author(tmp_path):
    for name, content in (("a.jpg", b"one"), ("copy.jpg", b"one"), ("b.jpg", b"two"), ("c.jpg", b"three")):
        (tmp_path / name).write_bytes(content)
    training = [
        row(tmp_path / "copy.jpg"),
        row(tmp_path / "b.jpg", "ann"),
        row(tmp_path / "c.jpg", "bob"),
        row("x/123456789.png"),
    ]
    benchmark = [row(tmp_path / "a.jpg", "ann"), row("123456789_ab_1_2@N01.jpg"), row("d.jpg", "eve")]
    found = contamination(training, benchmark)
    assert (found.by_photo_id, found.by_content, found.by_author) == ((3,), (0,), (1,))
    assert found.rows == (0, 1, 3)
    assert not contamination(training, []).rows


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(100_000, 100_400), max_size=30), st.lists(st.integers(100_000, 100_400), max_size=30))
def test_shared_ids_are_found_and_no_others(ours, theirs):
    found = contamination(
        [row(f"nowhere/{name}.jpg") for name in ours], [row(f"else/a_{name}_b.png") for name in theirs]
    )
    assert [name for number, name in enumerate(ours) if number in found.rows] == [
        name for name in ours if name in theirs
    ]


@pytest.fixture
def manifest(rows_of, album):
    path = album(rows_of("North", 12, 1.0, 2.0))
    (path.parent / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    bad = ["a.jpg,0,0", "b.jpg,91,5", "c.jpg,5,nan", "torn.jpg,5,5", "gone.jpg,5,5", ",5,5"]
    lines = path.read_text().splitlines()
    extra = [f"{line}{',' * (lines[0].count(',') - 2)}" for line in bad]
    path.write_text("\n".join(lines + extra) + "\n")
    return path


def test_every_bad_row_is_counted_by_its_first_defect(manifest):
    found = examine(manifest, [], unwatched)
    assert [(bad.number, bad.defect) for bad in found.bad] == [
        (12, Defect.NULL_ISLAND), (13, Defect.OUT_OF_RANGE), (14, Defect.NO_NUMBER), (15, Defect.UNREADABLE),
        (16, Defect.MISSING), (17, Defect.NO_PATH),
    ]  # fmt: skip
    assert found.clean.num_rows == 12
    assert any("12 of 18 rows are good" in line for line in found.report())
    assert any("1 rows: at 0,0" in line for line in found.report())


def test_clean_rows_without_the_benchmarks(manifest, tmp_path):
    write_manifest(tmp_path / "photographs" / "bench.csv", [row(tmp_path / "photographs" / "Aland-North-3.jpg")])
    found = examine(manifest, [tmp_path / "photographs" / "bench.csv"], unwatched)
    assert found.contamination.rows == (3,)
    assert len(texts_of(found.clean, "path")) == 11
    assert "Aland-North-3.jpg" not in texts_of(found.clean, "path")


def test_one_group_of_nearly_all_rows_is_told(tmp_path, rows_of, album):
    rows = [
        PhotoRow(**vars(one) | {"author": "ann" if number < 11 else "bob"})
        for number, one in enumerate(rows_of("N", 12, 1.0, 2.0))
    ]
    lines = examine(album(rows), [], unwatched).report()
    assert any("11 rows hang together by places and authors" in line for line in lines)


@pytest.mark.parametrize(("count", "warned"), [(100, True), (900, False)])
def test_too_few_places_for_honest_radii_are_told_before_any_work(tmp_path, rows_of, album, count, warned):
    found = examine(album(rows_of("N", count, 1.0, 2.0)), [], unwatched)
    assert sum(found.places.values()) == count
    lines = found.report()
    assert any(line.startswith("places of them: train ") for line in lines)
    assert warned == any("needs 20 places of validation and of test each, about 400 in all" in line for line in lines)


def test_unknown_columns_and_texts_survive_in_csv_and_parquet(tmp_path):
    (tmp_path / "m.csv").write_text(
        'path,lat,lng,note,month\n"a, b.jpg",1.50,-2,"said ""hi""\nthere",05\nc.jpg,3,4,,\n'
    )
    table = read_table(tmp_path / "m.csv")
    for name in ("n.csv", "n.parquet"):
        write_table(tmp_path / name, with_columns(table, {"climate": ["Af", ""], "month": ["6", ""]}))
        again = read_table(tmp_path / name)
        assert again.column_names == ["path", "lat", "lng", "note", "month", "climate"]
        assert texts_of(again, "note") == ['said "hi"\nthere', ""]
        assert texts_of(again, "lat") == ["1.50", "3"]
        assert [(one.path.name, one.lat, one.month) for one in read_manifest(tmp_path / name)] == [
            ("a, b.jpg", 1.5, 6),
            ("c.jpg", 3.0, None),
        ]


def test_split_of_a_parquet_manifest_is_that_of_its_csv(manifest, tmp_path, rows_of, album):
    clean = examine(manifest, [], unwatched).clean
    write_table(manifest.parent / "m.csv", clean)
    write_table(manifest.parent / "m.parquet", clean)
    from pigeon_edge.manifest import Split

    assert read_split(manifest.parent / "m.csv", Split.TRAIN) == read_split(manifest.parent / "m.parquet", Split.TRAIN)


def test_what_is_no_manifest_is_refused(tmp_path):
    (tmp_path / "m.csv").write_text("path,latitude\na,1\n")
    with pytest.raises(InputError, match="expected columns path, lat, lng, found path, latitude"):
        read_table(tmp_path / "m.csv")
    (tmp_path / "m.parquet").write_bytes(b"no parquet")
    for name in ("m.parquet", "none.csv"):
        with pytest.raises(InputError, match="expected a manifest"):
            read_table(tmp_path / name)
