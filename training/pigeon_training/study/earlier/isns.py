"""ISNs (Mueller-Budack, Pustu-Iren and Ewerth 2018): three partitions, and the product along their hierarchy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pigeon_training.cells.squares import squares
from pigeon_training.study.earlier.classes import FitClassifier, by_chunks, class_task
from pigeon_training.study.earlier.photographs import Doubles, Embeddings, Ids, Photographs


@dataclass(frozen=True)
class Isns:
    """The paper's base(M, f*): coarse, middle and fine squares with a softmax each; no scene classes.

    A fine square scores the product of its own probability and those of the middle and coarse squares around it; the
    answer is the mean place of its training photographs. The paper has 50 to 5,000, 2,000 and 1,000 photographs in a
    square, of 4.7 million. Here the fine one holds ``min_size`` to ``max_size``, the others ``coarser`` times as many.
    Its networks share one sum of losses; over embeddings that are not trained, the three heads are independent.
    """

    fit: FitClassifier
    min_size: int
    max_size: int
    coarser: tuple[int, ...] = (5, 2)

    def __call__(self, training: Photographs, validation: Photographs, queries: Embeddings) -> Doubles:
        """Return the mean training place (Q, 2) of the fine squares with the largest products."""
        sizes = [self.max_size * times for times in (*self.coarser, 1)]
        lands = [squares(training.lat_lng, self.min_size, size) for size in sizes]
        tasks = [class_task(land, training, validation) for land in lands]
        fine = tasks[-1]
        around = [enclosing(fine.training_class, task.training_class) for task in tasks]
        scores = [self.fit(task) for task in tasks]
        best = by_chunks(lambda some: largest_product(around, [score(some) for score in scores]), queries)
        return fine.centroid_lat_lng[best]


def enclosing(fine: Ids, coarse: Ids) -> Ids:
    """Return, for each fine class, the coarse class of most of its training photographs, whose classes are (N,) each.

    Squares of two sizes are nested, but those with few photographs join their nearest, which may lie across a border.
    """
    pairs, count = np.unique(np.stack([fine, coarse], axis=1), axis=0, return_counts=True)
    pairs = pairs[np.lexsort((count, pairs[:, 0]))]
    last = np.append(np.diff(pairs[:, 0]) > 0, True)  # of each fine class the pair of the largest count
    return np.asarray(pairs[last, 1])


def largest_product(around: Sequence[Ids], logits: Sequence[Doubles]) -> Ids:
    """Return (Q,) the fine class with the largest product of probabilities.

    ``around`` holds, by partition, the class (F,) that a fine class lies in; ``logits`` holds (Q, C) of each partition.
    """
    # The logarithm of the product is this sum less the softmaxes' normalisers, the same for all classes of a query.
    total = sum(one[:, own] for own, one in zip(around, logits, strict=True))
    return np.asarray(np.asarray(total).argmax(axis=1))
