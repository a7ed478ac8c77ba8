"""Which photographs confidence is fitted on, which judge it, and that there are enough of both."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.calibration.confidence_examples import rows_of_splits

from pigeon_calibration.confidence.held_out import _half, held_out
from pigeon_edge.errors import InputError
from pigeon_edge.manifest import Split


def test_without_a_test_split_half_of_the_places_judge(tmp_path):
    rows = [row for row in rows_of_splits(tmp_path, [Split.VALIDATION], 120) for _ in range(2)]
    parts = held_out(rows)
    assert parts.checked_on == "other half of the validation split"
    assert len(parts.fit) + len(parts.check) == 240
    assert 80 < len(parts.fit) < 160
    assert {row.place_id for row in parts.fit}.isdisjoint(row.place_id for row in parts.check)


def test_test_split_of_few_places_is_refused_before_anything_is_read(tmp_path):
    rows = rows_of_splits(tmp_path, [Split.VALIDATION], 30) + rows_of_splits(tmp_path, [Split.TEST], 2)
    with pytest.raises(InputError, match="to judge by, of at least 20 places, found 2 of 2; add places") as caught:
        held_out(rows)
    assert "three twentieths are test" in str(caught.value)
    assert "cannot be read" not in str(caught.value)


def test_test_split_of_one_place_is_refused(tmp_path):
    test = [replace(row, lat=10.0, lng=10.0) for row in rows_of_splits(tmp_path, [Split.TEST], 30)]
    with pytest.raises(InputError, match="to judge by, of many places, found 30 all within 1 km of 10, 10; add others"):
        held_out(rows_of_splits(tmp_path, [Split.VALIDATION], 30) + test)


@pytest.mark.parametrize("half", [0, 1])
def test_a_half_of_validation_without_places_is_refused(tmp_path, half):
    one_author = [row for row in rows_of_splits(tmp_path, [Split.VALIDATION], 60) if _half(row) == half]
    assert len(one_author) > 20
    purpose = "to fit on" if half else "to judge by"
    with pytest.raises(InputError, match=f"{purpose}, of at least 20 places, found 0 of 0; add places"):
        held_out(one_author)


def test_manifest_without_validation_is_refused(tmp_path):
    rows = rows_of_splits(tmp_path, [Split.TEST], 5)
    with pytest.raises(InputError, match="the validation split, of which the manifest's 5 photographs have none"):
        held_out(rows)
