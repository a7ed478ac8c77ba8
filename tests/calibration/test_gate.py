"""The verdict, and what it rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pigeon_calibration.gate.parity import compare, cosine_per_row, determination, measure, verdict
from pigeon_calibration.gate.thresholds import INT8_THRESHOLDS, VERDICT_KEY, Parity, Thresholds, marked
from pigeon_edge.answer.encoding import Encoding


def test_thresholds_of_int8():
    assert Thresholds(cosine_p01=0.98, top1_agreement=0.95, retrieval_recall=0.9) == INT8_THRESHOLDS


def test_cosine_is_that_of_the_angle():
    angle = np.radians([0.0, 60.0, 90.0, 180.0])
    turned = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 3
    found = cosine_per_row(np.tile([2.0, 0.0], (4, 1)), turned)
    np.testing.assert_allclose(found, [1.0, 0.5, 0.0, -1.0], atol=1e-12)


def test_cosine_of_a_row_without_length_is_zero():
    assert cosine_per_row(np.zeros((1, 3)), np.ones((1, 3))) == [0.0]


def test_cosine_of_broken_numbers_is_zero():
    assert cosine_per_row([[math.nan, 1.0]], [[1.0, 1.0]]) == [0.0]


def test_parity_counts_first_cells_and_finds_the_worst_photograph():
    embedding = np.tile(np.float32([1, 0]), (4, 1))
    worse = embedding.copy()
    worse[2] = [0.6, 0.8]
    cells, moved = np.eye(4, 3, dtype=np.float32), np.eye(4, 3, dtype=np.float32)
    moved[0] = [0, 9, 0]
    found = compare(Encoding(embedding, cells), Encoding(worse, moved))
    assert found.photographs == 4
    assert found.cosine_min == found.cosine_p01 == pytest.approx(0.6)
    assert found.cosine_median == pytest.approx(1)
    assert found.top1_agreement == 0.75
    assert found.top5_agreement == 1  # of three cells, all are among the first five


def test_parity_counts_first_classes_and_errors_of_the_tasks_that_both_have():
    rng = np.random.default_rng(0)
    embedding, cells = np.ones((40, 2), np.float32), np.eye(40, 3, dtype=np.float32)
    regressions = rng.normal(size=(40, 2)).astype(np.float32)
    climate = np.eye(40, 5, dtype=np.float32)
    moved = climate.copy()
    moved[:4] = moved[:4, ::-1]
    off = regressions + np.float32([0.0, 0.5]) * regressions.std(axis=0)
    found = compare(
        Encoding(embedding, cells, {"regressions": regressions, "climate_logits": climate, "month_logits": climate}),
        Encoding(embedding, cells, {"regressions": off, "climate_logits": moved}),
    )
    assert found.tasks == {"regressions": pytest.approx(0.75), "climate_logits": pytest.approx(0.925)}
    assert INT8_THRESHOLDS.misses(found) == []


def test_determination_of_what_does_not_vary_is_all_or_nothing():
    constant = np.full((3, 2), 4.0)
    assert determination(constant, constant) == 1.0
    assert determination(constant, constant + np.array([0, 1e-3])) == 0.0
    assert determination([[1.0], [3.0]], [[2.0], [2.0]]) == 0.0


def test_first_five_cells_are_compared_as_sets():
    few = np.zeros((2, 1), np.float32)
    logits = np.arange(20, 0, -2, dtype=np.float32)[None].repeat(2, axis=0)  # (2, 10), best first
    other = logits.copy()
    other[0, :5] = other[0, 4::-1]  # the same five in another order
    other[1, 5:7] = 30  # two strangers come in
    assert compare(Encoding(few, logits), Encoding(few, other)).top5_agreement == pytest.approx((1 + 3 / 5) / 2)


def parity(cosine, top1):
    return Parity(9, cosine, cosine, cosine, top1, top1)


@pytest.mark.parametrize(("found", "misses"), [
    (parity(0.98, 0.95), 0),
    (parity(0.98, None), 0),
    (parity(0.979, 0.99), 1),
    (parity(0.99, 0.94), 1),
    (parity(0.1, 0.1), 2),
    (parity(math.nan, 1.0), 1),
])  # fmt: skip
def test_thresholds_are_reached_or_missed_in_words(found, misses):
    assert len(INT8_THRESHOLDS.misses(found)) == misses
    assert verdict(found, INT8_THRESHOLDS).startswith("int8 failed: " if misses else "int8 passed: ")


def test_graph_agrees_with_itself(encoder, pixels):
    one = pytest.approx(1.0)
    assert measure(encoder, encoder, [pixels[:5], pixels[5:]]) == Parity(16, one, one, one, 1.0, 1.0, {}, 1.0)


def test_verdict_is_written_into_a_copy(encoder):
    assert {entry.key: entry.value for entry in marked(encoder, False).metadata_props}[VERDICT_KEY] == "unverified"
    assert {entry.key: entry.value for entry in marked(encoder, True).metadata_props}[VERDICT_KEY] == "verified"
    assert VERDICT_KEY not in {entry.key for entry in encoder.metadata_props}
