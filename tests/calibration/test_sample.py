"""Which photographs are chosen."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_calibration.sample import Candidate, candidates_of_folder, candidates_of_rows, choose, square_of
from pigeon_edge.errors import InputError
from pigeon_edge.manifest import PhotoRow, Split


def candidates(places: int, per_place: int = 1) -> list[Candidate]:
    return [Candidate(Path(f"{p}-{n}.jpg"), f"place {p}") for p in range(places) for n in range(per_place)]


@given(st.integers(2, 40), st.integers(1, 3), st.integers(1, 30), st.integers(0, 5))
def test_sides_share_no_place_and_keep_the_limit(places, per_place, limit, seed):
    chosen = choose(candidates(places, per_place), limit, seed)
    calibration, gate = ({path.name.split("-")[0] for path in side} for side in (chosen.calibration, chosen.gate))
    assert not calibration & gate
    assert len(set(chosen.calibration)) == len(chosen.calibration) == min(limit, (places + 1) // 2 * per_place)
    assert len(set(chosen.gate)) == len(chosen.gate) == min(limit, places // 2 * per_place)


def test_choice_depends_on_the_seed_and_not_on_the_order():
    listing = candidates(50)
    assert choose(listing, 20, 1) == choose(listing[::-1], 20, 1)
    assert choose(listing, 20, 1) != choose(listing, 20, 2)


def test_many_places_come_before_many_photographs_of_one():
    chosen = choose(candidates(20, per_place=5), 10)
    assert len({path.name.split("-")[0] for path in chosen.calibration}) == 10


@pytest.mark.parametrize("listing", [[], candidates(1, per_place=9)])
def test_one_place_is_too_few(listing):
    with pytest.raises(InputError, match="at least 2 places"):
        choose(listing, 4)


def test_rows_of_the_test_split_are_left_out():
    rows = [PhotoRow(Path(f"{n}.jpg"), 1.0, 2.0, f"p{n}") for n in range(100)]
    kept = candidates_of_rows(rows)
    assert len(kept) == sum(row.split is not Split.TEST for row in rows) < 100


def test_choice_in_a_folder_does_not_depend_on_where_it_lies():
    names = [f"{n}.jpg" for n in range(30)]
    here, there = (
        choose(candidates_of_folder(Path(root), [Path(root) / n for n in names]), 9) for root in ("/a", "/b/c")
    )
    assert [path.name for path in here.calibration] == [path.name for path in there.calibration]


def test_every_stratum_gives_to_both_sides_before_any_gives_twice():
    listing = [Candidate(Path(f"{s}-{n}.jpg"), f"{s}-{n}", f"cell {s}") for s in range(4) for n in range(2 + 20 * s)]
    chosen = choose(listing, 4)
    for side in (chosen.calibration, chosen.gate):
        assert sorted(path.name[0] for path in side) == ["0", "1", "2", "3"]
    larger = choose(listing, 12)
    counts = Counter(path.name[0] for path in larger.calibration)
    assert counts["0"] == 1
    assert max(counts.values()) - min(counts[s] for s in "123") <= 1


def test_squares_are_of_about_one_size_and_whole():
    assert square_of(51.5, -0.1) == square_of(53.0, -8.0) != square_of(49.0, -0.1)
    assert square_of(-89.0, 10.0) == square_of(-85.0, 40.0)
    assert square_of(0.5, 180.0) == square_of(0.5, -180.0)
    per_row = Counter(square_of(lat, lng).split(":")[0] for lat, lng in product((5.0, 65.0), np.arange(-180, 180, 0.5)))
    squares = {square_of(lat, lng) for lat, lng in product((5.0, 65.0), np.arange(-180, 180, 0.5))}
    assert per_row["0"] == per_row["6"]
    assert Counter(square.split(":")[0] for square in squares) == {"0": 36, "6": 15}
