"""What int8 changes of the answers, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pigeon_calibration.gate.drift import moved, percent_within, retrieval_recall
from pigeon_edge.answer.encoding import Encoding

CENTROIDS = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 10.0]])
DEGREE_KM = 6371.0088 * np.pi / 180


def answering(*cells):
    return Encoding(np.ones((len(cells), 2), np.float32), np.eye(3, dtype=np.float32)[list(cells)])


def test_kilometres_lie_between_the_best_cells():
    found = moved(answering(0, 1, 2, 2), answering(0, 0, 2, 1), CENTROIDS)
    assert found.median_km == pytest.approx(DEGREE_KM / 2)
    assert found.p95_km == pytest.approx(9 * DEGREE_KM)


def test_percentages_grow_with_the_distance():
    found = percent_within(answering(0, 1, 2, 2), CENTROIDS, np.array([[0.0, 0.0], [0, 0], [0, 0], [0, 9.9]]))
    assert found == {"1": 25.0, "25": 50.0, "200": 75.0, "750": 75.0, "2500": 100.0}


def test_recall_is_one_for_the_same_embeddings_and_chance_for_others():
    rng = np.random.default_rng(0)
    a, b = (Encoding(rng.normal(size=(60, 16)).astype(np.float32), np.empty((60, 0), np.float32)) for _ in range(2))
    near = Encoding(a.embedding + np.float32(0.05), a.cell_logits)
    assert retrieval_recall(a, a) == 1
    assert 0.8 < retrieval_recall(a, near) < 1
    assert retrieval_recall(a, b) == pytest.approx(5 / 59, abs=0.06)


def test_a_handful_of_photographs_is_no_gallery():
    assert retrieval_recall(answering(0, 1), answering(0, 1)) is None
