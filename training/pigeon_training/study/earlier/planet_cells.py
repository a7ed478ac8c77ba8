"""PlaNet (Weyand, Kostrikov and Philbin 2016): adaptive squares told apart by a plain softmax."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeon_training.cells.squares import squares
from pigeon_training.study.earlier.classes import FitClassifier, by_chunks, class_task
from pigeon_training.study.earlier.photographs import Doubles, Embeddings, Photographs


@dataclass(frozen=True)
class PlanetCells:
    """S2's squares, quartered down to ``max_size`` photographs; the answer is the mean place of the likeliest one.

    The paper has 50 to 10,000 of 91 million photographs in a square, 26,263 squares in all. It leaves squares with
    fewer out; here they join the nearest, see ``cells/squares.py``.
    """

    fit: FitClassifier
    min_size: int
    max_size: int

    def __call__(self, training: Photographs, validation: Photographs, queries: Embeddings) -> Doubles:
        """Return the mean training place (Q, 2) of the likeliest squares."""
        task = class_task(squares(training.lat_lng, self.min_size, self.max_size), training, validation)
        score = self.fit(task)
        best = by_chunks(lambda some: score(some).argmax(axis=1), queries)
        return np.asarray(task.centroid_lat_lng[best])
