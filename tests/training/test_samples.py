"""Which photographs are chosen as samples."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from pigeon_edge.errors import InputError
from pigeon_edge.manifest import PhotoRow, Split, read_manifest
from pigeon_training.data.samples import copy_samples, one_photograph_a_place


def four_a_place(count):
    return [
        PhotoRow(Path(f"p{n}-{turn}.png"), 1.0 + n, 2.0, f"p{n}", country="Côte d'Or / North")
        for n in range(count)
        for turn in range(4)
    ]


def test_each_photograph_is_of_another_place():
    chosen = one_photograph_a_place(four_a_place(30), 20)
    assert len({row.place_id for row in chosen}) == len(chosen) == 20


def test_choice_does_not_depend_on_the_order_of_rows():
    rows = four_a_place(30)
    assert one_photograph_a_place(random.Random(1).sample(rows, len(rows)), 9) == one_photograph_a_place(rows, 9)


def test_smaller_choice_begins_a_larger_one():
    rows = four_a_place(30)
    assert one_photograph_a_place(rows, 20)[:5] == one_photograph_a_place(rows, 5)


def test_choice_is_pinned():
    chosen = [row.path.name for row in one_photograph_a_place(four_a_place(30), 3)]
    assert chosen == ["p29-2.png", "p16-1.png", "p15-1.png"]


def test_which_photograph_of_a_place_varies():
    turns = {row.path.stem[-1] for row in one_photograph_a_place(four_a_place(30), 30)}
    assert turns == {"0", "1", "2", "3"}


def test_samples_are_copies_of_test_photographs_named_by_number_and_country(tmp_path, album):
    manifest = album(four_a_place(40))
    copy_samples(manifest, tmp_path / "samples", 3)
    chosen = one_photograph_a_place([row for row in read_manifest(manifest) if row.split is Split.TEST], 3)
    found = sorted((tmp_path / "samples").iterdir())
    assert [path.name for path in found] == [f"{n:02}-côte-d-or-north.png" for n in (1, 2, 3)]
    assert [path.read_bytes() for path in found] == [row.path.read_bytes() for row in chosen]


def test_sample_of_an_unnamed_country_is_named_so(tmp_path, album):
    copy_samples(album([replace(row, country="") for row in four_a_place(40)]), tmp_path / "samples", 1)
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["01-unnamed.png"]


def test_more_samples_than_places_are_refused(tmp_path, album):
    with pytest.raises(InputError, match=r"30 samples asked for, the test split has [0-9]+ places"):
        copy_samples(album(four_a_place(40)), tmp_path / "samples", 30)
    assert not (tmp_path / "samples").exists()
