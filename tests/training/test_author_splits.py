"""Photographs of one author, or of places that share an author, are in one split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pigeon_edge.manifest import PhotoRow, Split, author_disjoint, read_manifest, write_manifest


def row(place_id, author="", number=0):
    return PhotoRow(Path(f"{number}.jpg"), 1.0, 2.0, place_id, author=author)


def test_rows_without_authors_keep_the_split_of_their_place():
    rows = [row(f"p{number}") for number in range(200)]
    assert author_disjoint(rows) == rows
    assert [one.split for one in author_disjoint(rows)] == [one.split for one in rows]


def test_places_are_tied_by_authors_in_common_also_by_way_of_others():
    tied = author_disjoint(
        [row("d", "zoe"), row("c", "ann"), row("b", "ann"), row("b", "bob"), row("a", "bob"), row("e")]
    )
    assert [one.split_group for one in tied] == ["d", "a", "a", "a", "a", ""]


def test_author_is_read_and_written_but_not_the_group(tmp_path):
    rows = [row("lagos", "ann"), row("paris", "ann")]
    write_manifest(tmp_path / "m.csv", [PhotoRow(**vars(one) | {"path": tmp_path / one.path}) for one in rows])
    assert "split_group" not in (tmp_path / "m.csv").read_text()
    read = read_manifest(tmp_path / "m.csv")
    assert [one.author for one in read] == ["ann", "ann"]
    assert [one.split for one in read] == [Split.VALIDATION, Split.VALIDATION]  # lagos alone is; paris alone trains
    assert row("paris").split is Split.TRAIN


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 25)), max_size=120), st.randoms())
def test_no_author_and_no_place_is_ever_in_two_splits_and_the_order_does_not_matter(pairs, random):
    rows = [row(f"p{place}", f"a{author}" if author else "", number) for number, (place, author) in enumerate(pairs)]
    split_of = {one.path: one.split for one in author_disjoint(rows)}
    for key in ("place_id", "author"):
        seen = {(getattr(one, key), split_of[one.path]) for one in rows if getattr(one, key)}
        assert len(seen) == len({name for name, _ in seen})
    random.shuffle(rows)
    assert {one.path: one.split for one in author_disjoint(rows)} == split_of


def test_shares_hold_over_authors():
    rows = author_disjoint([row(f"photo {number}", f"author {number % 3000}", number) for number in range(9000)])
    shares = Counter(one.split for one in rows)
    assert 0.76 < shares[Split.TRAIN] / 9000 < 0.84
    assert 0.12 < shares[Split.TEST] / 9000 < 0.18
