"""The stream of batches: every sample once an epoch, in an order of its own, in bounded memory, no silent loss."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pigeon_edge.errors import InputError
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow, read_manifest
from pigeon_training.data import streaming
from pigeon_training.data.streaming import PhotoStream, panoramas, singles

SPEC = PreprocessSpec(size_px=8)


@pytest.fixture
def rows(rows_of, album):
    return read_manifest(album(rows_of("North", 23, 1.0, 2.0)))


def stream(samples, **settings):
    return PhotoStream(samples, SPEC, **{"batch": 5, **settings})


def test_every_photograph_comes_once_with_its_own_pixels(rows):
    batches = list(stream(singles(rows)).batches(0))
    assert [len(batch.rows) for batch in batches] == [5, 5, 5, 5, 3]
    assert sorted(row.path for batch in batches for row in batch.rows) == sorted(row.path for row in rows)
    for batch in batches:
        assert batch.sample.tolist() == list(range(len(batch.rows)))
        for pixels, row in zip(batch.pixels, batch.rows, strict=True):
            assert (pixels == read_pixels(row.path, SPEC)).all()


def test_order_is_of_seed_and_epoch(rows):
    def order(seed, epoch):
        return [row.path.name for batch in stream(singles(rows), seed=seed).batches(epoch) for row in batch.rows]

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert [row for batch in stream(singles(rows)).in_order() for row in batch.rows] == rows


def paths_by_step(batches):
    steps = {}
    for batch in batches:
        steps.setdefault(batch.step, []).extend(row.path for row in batch.rows)
    return steps


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_parts_have_together_the_batches_of_one_alone(rows, parts):
    whole = paths_by_step(stream(singles(rows)).batches(4))
    shared = [paths_by_step(stream(singles(rows), part=part, parts=parts).batches(4)) for part in range(parts)]
    assert all(steps.keys() == whole.keys() for steps in shared)
    for step, paths in whole.items():
        assert sorted(path for steps in shared for path in steps[step]) == sorted(paths)
        assert max(len(steps[step]) for steps in shared) - min(len(steps[step]) for steps in shared) <= 1


def test_part_without_a_sample_of_a_batch_comes_empty(rows):
    first, last = (list(stream(singles(rows[:6]), part=part, parts=2).batches(0))[-1] for part in (0, 1))
    assert (len(first.rows), len(last.rows)) == (1, 0)
    assert last.pixels.shape == (0, 8, 8, 3)
    assert (first.step, last.step, last.numbers.tolist()) == (1, 1, [])


def test_parts_share_the_order_of_the_samples_too(rows):
    parts = [
        {row.path for batch in stream(singles(rows), part=part, parts=2).in_order() for row in batch.rows}
        for part in (0, 1)
    ]
    assert set.union(*parts) == {row.path for row in rows}
    assert not set.intersection(*parts)


def test_chunks_divide_a_batch_and_number_their_samples(rows):
    samples, chunked = singles(rows), stream(singles(rows), chunk=2)
    batches = list(chunked.batches(0))
    assert [len(batch.rows) for batch in batches] == [2, 2, 1] * 4 + [2, 1]
    assert paths_by_step(batches) == paths_by_step(stream(samples).batches(0))
    assert all([samples[number] for number in b.numbers] == [(row,) for row in b.rows] for b in batches)
    whole = chunked.whole_batches(0)
    assert [sorted(n for b in batches if b.step == step for n in b.numbers) for step in range(5)] == [
        sorted(numbers) for numbers in whole
    ]


def test_numbers_leave_out_what_could_not_be_read(rows):
    rows[1].path.unlink()
    (batch,) = stream(singles(rows[:4])).in_order()
    assert batch.numbers.tolist() == [0, 2, 3]
    assert batch.sample.tolist() == [0, 1, 2]


def test_unreadable_photographs_are_told_and_left_out(rows):
    rows[3].path.write_bytes(b"no image")
    rows[9].path.unlink()
    batches = list(stream(singles(rows)).batches(0))
    told = {bad.row.path: bad.reason for batch in batches for bad in batch.unreadable}
    assert set(told) == {rows[3].path, rows[9].path}
    assert "expected an image" in told[rows[3].path]
    assert sum(len(batch.rows) for batch in batches) == 21


def test_manifest_without_one_readable_photograph_is_an_error(tmp_path):
    missing = [PhotoRow(tmp_path / "a.jpg", 1.0, 2.0, "p")]
    with pytest.raises(InputError, match="none of 1 samples could be read"):
        list(stream(singles(missing)).batches(0))
    assert list(stream([]).batches(0)) == []


def test_panoramas_are_the_views_of_a_place_by_heading(rows):
    views = [
        replace(row, place_id=f"p{number % 4}", heading_deg=float(-90 * (number // 4) % 360))
        for number, row in enumerate(rows)
    ]
    alone = replace(rows[0], path=Path("x.jpg"), place_id="p0")
    samples = panoramas([*views, alone])
    assert [len(sample) for sample in samples] == [6, 6, 6, 5, 1]
    assert all(
        [row.heading_deg for row in sample] == sorted(row.heading_deg for row in sample) for sample in samples[:4]
    )
    assert samples[-1] == (alone,)


def test_panorama_loses_its_unreadable_view_only(rows):
    views = [
        replace(row, place_id=f"p{number // 4}", heading_deg=90.0 * (number % 4))
        for number, row in enumerate(rows[:12])
    ]
    for lost in (1, 4, 5, 6, 7):
        views[lost].path.unlink()
    (batch,) = stream(panoramas(views)).in_order()
    assert batch.sample.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert [row.place_id for row in batch.rows] == ["p0"] * 3 + ["p2"] * 4
    assert len(batch.unreadable) == 5


def test_no_more_than_the_batches_ahead_are_decoded_before_they_are_taken(rows, monkeypatch):
    decoded, lock = [], threading.Lock()

    def counting(path, spec):
        with lock:
            decoded.append(path)
        return np.zeros((spec.size_px, spec.size_px, 3), np.uint8)

    monkeypatch.setattr(streaming, "read_pixels", counting)
    batches = stream(singles(rows), batch=2, ahead=3).batches(0)
    next(batches)
    assert len(decoded) <= 10  # the one taken, three ahead, and the one begun in its place
    batches.close()
    assert len(decoded) <= 10
