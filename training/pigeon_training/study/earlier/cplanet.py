"""CPlaNet (Seo, Weyand, Sim and Han 2018): several coarse partitions vote for the fine cells where they cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from pigeon_edge.geodesy import lat_lng_of, unit_vectors
from pigeon_training.cells.squares import Squares, squares
from pigeon_training.study.earlier.classes import FitClassifier, by_chunks, class_task, mean_places
from pigeon_training.study.earlier.photographs import Doubles, Embeddings, Ids, Photographs


@dataclass(frozen=True)
class CPlanet:
    """PlaNet's squares, and ``turned`` partitions into coarser squares on a cube turned at random by ``seed``.

    The best system of the paper is "1-5, PlaNet": five partitions of its own beside PlaNet's. It makes them by merging
    S2 cells over a graph of visual and geographic distances; here the cube is turned instead, which needs no graph and
    makes borders cross as well. Turned squares hold up to ``coarser`` times as many photographs as PlaNet's.
    """

    fit: FitClassifier
    min_size: int
    max_size: int
    turned: int = 5
    coarser: int = 2
    seed: int = 330

    def __call__(self, training: Photographs, validation: Photographs, queries: Embeddings) -> Doubles:
        """Return the mean training place (Q, 2) of the fine cells with the most votes."""
        tasks = [class_task(land, training, validation) for land in self.partitions(training.lat_lng)]
        crossed, fine = crossings([task.training_class for task in tasks])
        scores = [self.fit(task) for task in tasks]
        best = by_chunks(lambda some: most_votes(crossed, [score(some) for score in scores]), queries)
        return mean_places(training.lat_lng, fine)[best]

    def partitions(self, lat_lng: Doubles) -> list[TurnedSquares]:
        """Return the partitions of training places (N, 2), PlaNet's first."""
        generator = np.random.default_rng(self.seed)
        turns = [np.eye(3), *(_random_turn(generator) for _ in range(self.turned))]
        most = [self.max_size, *[self.max_size * self.coarser] * self.turned]
        return [turned_squares(lat_lng, self.min_size, size, turn) for size, turn in zip(most, turns, strict=True)]


@dataclass(frozen=True, eq=False)
class TurnedSquares:
    """Squares on a cube that is turned against the earth by an orthogonal matrix (3, 3)."""

    squares: Squares
    turn: Doubles

    def region_of(self, lat_lng: Doubles) -> Ids:
        """Return (N,) the region of each point (N, 2)."""
        return self.squares.region_of(_turned(lat_lng, self.turn))


def turned_squares(lat_lng: Doubles, min_size: int, max_size: int, turn: Doubles) -> TurnedSquares:
    """Return squares that hold at most ``max_size`` of the points (N, 2)."""
    return TurnedSquares(squares(_turned(lat_lng, turn), min_size, max_size), turn)


def crossings(classes: Sequence[Ids]) -> tuple[Ids, Ids]:
    """Return the fine cells as classes (F, P) of P partitions, and the fine cell (N,) of each photograph.

    ``classes`` holds the class (N,) of each training photograph, by partition. Only fine cells that hold a photograph
    are listed.
    """
    crossed, fine = np.unique(np.stack(classes, axis=1), axis=0, return_inverse=True)
    return crossed, fine.reshape(-1).astype(np.int64)  # NumPy 2.0 returned (N, 1)


def most_votes(crossed: Ids, logits: Sequence[Doubles]) -> Ids:
    """Return (Q,) the fine cell, of ``crossed`` (F, P), with the largest sum of its P classes' probabilities.

    ``logits`` holds (Q, C) of each partition. Probabilities and not logits are summed: the logits of two classifiers
    have no scale in common.
    """
    votes = sum(softmax(one, axis=1)[:, own] for own, one in zip(crossed.T, logits, strict=True))  # (Q, F)
    return np.asarray(np.asarray(votes).argmax(axis=1))


def _turned(lat_lng: Doubles, turn: Doubles) -> Doubles:
    return lat_lng_of(unit_vectors(lat_lng) @ turn)


def _random_turn(generator: np.random.Generator) -> Doubles:
    """Return an orthogonal matrix (3, 3), uniformly at random."""
    turn, upper = np.linalg.qr(generator.normal(size=(3, 3)))
    return np.asarray(turn * np.sign(np.diag(upper)))
