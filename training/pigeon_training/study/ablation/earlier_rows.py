"""The systems before PIGEON, on the embeddings of its final tower."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pigeon_edge.manifest import Split
from pigeon_training.planet.album import HEADINGS_DEG
from pigeon_training.study.ablation.album import Album, Doubles, answer_of_each_view
from pigeon_training.study.ablation.contributions import Tower
from pigeon_training.study.ablation.settings import AblationSettings
from pigeon_training.study.ablation.towers import Towers
from pigeon_training.study.baselines import medoid
from pigeon_training.study.earlier.photographs import Locate, Photographs
from pigeon_training.study.earlier.plain_softmax import PlainSoftmax
from pigeon_training.study.earlier.systems import earlier_systems


def earlier_systems_of(settings: AblationSettings, seed: int) -> dict[str, Locate]:
    """Return the systems by name, with squares of the sizes of our geocells and heads that are fitted as ours are.

    Our sizes count photographs, theirs panoramas.
    """
    fit = PlainSoftmax(replace(settings.heads, seed=seed), lambda _: None)
    views = len(HEADINGS_DEG)
    systems = earlier_systems(fit, settings.cells.min_size // views, settings.cells.max_size // views, seed)
    return {"constant guess": _constant, **dict(systems)}


def earlier_answers(locate: Locate, seed: int, album: Album, towers: Towers) -> Doubles:
    """Return a system's answer (N, 2) for each test photograph, from panoramas on the contrastive tower."""
    embedded = towers.embedded(Tower.CONTRASTIVE, seed)
    samples = {split: album.samples(split, panorama=True) for split in Split}
    known = {split: Photographs(own.embedding(embedded[split]), own.lat_lng) for split, own in samples.items()}
    points = locate(known[Split.TRAIN], known[Split.VALIDATION], known[Split.TEST].embedding)
    return answer_of_each_view(points, samples[Split.TEST])


def _constant(training: Photographs, _validation: Photographs, queries: np.ndarray) -> Doubles:
    """Name the medoid of the training places for every query (Q, D)."""
    return np.tile(medoid(training.lat_lng), (len(queries), 1))
