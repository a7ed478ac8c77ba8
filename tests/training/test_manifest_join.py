"""Manifests are joined: paths, columns, places and splits of every row stay right."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pigeon_edge.errors import InputError, UsageError
from pigeon_training.cli import app
from pigeon_training.data.dataset import read_rows
from pigeon_training.data.manifests.joining import join_manifests
from pigeon_training.data.manifests.table import read_table, texts_of, write_table


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def two(tmp_path):
    flickr = written(
        tmp_path / "flickr" / "m.csv",
        "path,lat,lng,place_id,author,month\n1.jpg,48,2,p1,ann,7\nshards/0.tar/2.jpg,10,20,p2,bob,\n3.jpg,-5,6,,,\n",
    )
    landmarks = written(
        tmp_path / "landmarks" / "m.csv",
        "path,lat,lng,place_id,author,landmark\n"
        "1.jpg,48.001,2.001,p1,cid,Tower\n"  # the same place as flickr's p1
        "2.jpg,-60,20,p2,ann,Rock\n"  # another place of the same name
        "3.jpg,50,6,3.jpg,,Gate\n",
    )
    return flickr, landmarks


def joined_rows(manifests, out):
    write_table(out, join_manifests(manifests, out).table)
    return read_rows(out)


def test_rows_of_both_with_paths_columns_and_source(two, tmp_path):
    write_table(two[1].with_suffix(".parquet"), read_table(two[1]))
    out = tmp_path / "both" / "m.parquet"
    joined = join_manifests([two[0], two[1].with_suffix(".parquet")], out)
    write_table(out, joined.table)
    table = read_table(out)
    assert table.column_names == ["path", "lat", "lng", "place_id", "author", "month", "landmark", "source"]
    assert texts_of(table, "path") == [
        "../flickr/1.jpg", "../flickr/shards/0.tar/2.jpg", "../flickr/3.jpg",
        "../landmarks/1.jpg", "../landmarks/2.jpg", "../landmarks/3.jpg",
    ]  # fmt: skip
    assert texts_of(table, "month") == ["7", "", "", "", "", ""]
    assert texts_of(table, "landmark") == ["", "", "", "Tower", "Rock", "Gate"]
    assert texts_of(table, "source") == ["../flickr/m.csv"] * 3 + ["../landmarks/m.parquet"] * 3
    assert joined.rows == {"../flickr/m.csv": 3, "../landmarks/m.parquet": 3}
    assert [os.path.normpath(row.path) for row in read_rows(out)][3] == str(tmp_path / "landmarks" / "1.jpg")


def test_near_places_of_one_name_are_one_and_far_ones_are_two(two, tmp_path):
    joined = join_manifests(two, tmp_path / "c.csv")
    assert texts_of(joined.table, "place_id") == [
        "p1",
        "p2",
        "3.jpg",
        "p1",
        "landmarks/m.csv/p2",
        "landmarks/m.csv/3.jpg",
    ]
    assert joined.renamed_places == 2
    assert joined.duplicates == 0


def test_one_author_of_two_manifests_ties_their_places(two, tmp_path):
    rows = joined_rows(two, tmp_path / "c.csv")
    assert rows[0].split_group == rows[4].split_group == rows[3].split_group  # ann's, and the same place
    assert rows[1].split_group != rows[0].split_group


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 60), min_size=1, max_size=25), st.booleans())
def test_splits_of_rows_without_authors_are_those_of_their_own_manifest(tmp_path_factory, numbers, named):
    folder = tmp_path_factory.mktemp("split")
    lines = [f"{n}.jpg,{n + 1},{n}{f',place{n}' if named else ''}" for n in sorted(numbers)]
    text = "\n".join([f"path,lat,lng{',place_id' if named else ''}", *lines]) + "\n"
    first = written(folder / "a" / "m.csv", text)
    second = written(folder / "b" / "m.csv", "path,lat,lng,place_id\nx.jpg,-9,-9,far\n")
    rows = joined_rows([first, second], folder / "elsewhere" / "c.csv")
    assert [row.split for row in rows] == [row.split for row in [*read_rows(first), *read_rows(second)]]


def test_photographs_that_are_named_twice_are_left_out_and_counted(two, tmp_path):
    third = written(tmp_path / "again.csv", "path,lat,lng\n./flickr/1.jpg,48,2\nnew.jpg,1,1\n,1,1\n,1,2\n")
    joined = join_manifests([two[0], third], tmp_path / "out.csv")
    assert joined.duplicates == 1
    assert texts_of(joined.table, "path") == [
        "flickr/1.jpg",
        "flickr/shards/0.tar/2.jpg",
        "flickr/3.jpg",
        "new.jpg",
        "",
        "",
    ]
    assert texts_of(joined.table, "month")[0] == "7"


def test_joining_again_keeps_sources_and_places(two, tmp_path):
    write_table(tmp_path / "c.csv", join_manifests(two, tmp_path / "c.csv").table)
    third = written(tmp_path / "third.csv", "path,lat,lng\nz.jpg,1,1\n")
    again = join_manifests([tmp_path / "c.csv", two[1], third], tmp_path / "d.csv")
    assert texts_of(again.table, "source") == ["flickr/m.csv"] * 3 + ["landmarks/m.csv"] * 3 + ["third.csv"]
    assert again.duplicates == 3
    assert texts_of(again.table, "place_id")[:6] == texts_of(read_table(tmp_path / "c.csv"), "place_id")


def test_bad_rows_go_along(tmp_path):
    first = written(tmp_path / "a.csv", "path,lat,lng,place_id\na.jpg,,x,p\n")
    second = written(tmp_path / "b.csv", "path,lat,lng,place_id\nb.jpg,95,5,p\n")
    table = join_manifests([first, second], tmp_path / "c.csv").table
    assert texts_of(table, "lat") == ["", "95"]


def test_command_tells_rows_by_source(two, tmp_path):
    arguments = ["manifest", "join", *two, "--out", tmp_path / "c.csv"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert "3 rows of flickr/m.csv" in result.stderr
    assert "2 places renamed: another place has their name" in result.stderr
    assert f"6 rows in {tmp_path / 'c.csv'}" in result.stderr


def test_what_cannot_be_joined_is_refused(two, tmp_path):
    with pytest.raises(UsageError, match="expected two manifests or more, found 1"):
        join_manifests(two[:1], tmp_path / "c.csv")
    with pytest.raises(UsageError, match=r"m\.csv: is one of the manifests"):
        join_manifests(two, two[0].parent / "." / "m.csv")
    with pytest.raises(InputError, match="expected columns path, lat, lng"):
        join_manifests([two[0], written(tmp_path / "x.csv", "path\na\n")], tmp_path / "c.csv")
