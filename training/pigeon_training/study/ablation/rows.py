"""One row of an ablation with one seed: a classifier on a tower's embeddings, and its answers for the test places."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from pigeon_edge.answer.cells import posterior
from pigeon_edge.answer.encoding import unit
from pigeon_edge.bundle.gallery_writer import build_index
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.manifest import Split
from pigeon_edge.retrieval.gallery import Gallery
from pigeon_edge.retrieval.gated import GatedRefinement
from pigeon_edge.retrieval.published import PaperRefinement
from pigeon_edge.retrieval.refine import RefinementSettings, refine
from pigeon_training.cells.location_clusters import cluster
from pigeon_training.learning.fitting.examples import Examples, FittingData
from pigeon_training.learning.fitting.scope import Scope
from pigeon_training.learning.fitting.tune import tune
from pigeon_training.learning.heads.examples import HeadExamples
from pigeon_training.learning.heads.fit import fit_heads
from pigeon_training.model.geocell_model import GeocellModel, Heads
from pigeon_training.model.model_folder import FittedModel
from pigeon_training.presets import LOCATION_PRESETS
from pigeon_training.smoothing import Smoothing
from pigeon_training.study.ablation.album import Album, Doubles, Embedded, Samples, answer_of_each_view, head_examples
from pigeon_training.study.ablation.contributions import Answer, Contribution, Tower
from pigeon_training.study.ablation.settings import AblationSettings
from pigeon_training.study.ablation.towers import Towers, embed_album

TEMPERATURES = (0.003, 0.01, 0.03, 0.1)
CANDIDATES: dict[Answer, tuple[RefinementSettings, ...]] = {
    Answer.PAPER: tuple(PaperRefinement(temperature=t) for t in TEMPERATURES),
    Answer.GATED: tuple(GatedRefinement(temperature=t, score_km=s) for t in TEMPERATURES for s in (100.0, 1000.0)),
}
"""Settings among which validation places choose: temperatures belong to an encoder (see ``retrieval.published``)."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """What answers: embeddings of every photograph, and heads on them."""

    embedded: Embedded
    heads: Heads

    def posterior(self, samples: Samples, split: Split) -> Doubles:
        """Return (S, C)."""
        with torch.inference_mode():
            logits = self.heads["cells"](torch.from_numpy(samples.embedding(self.embedded[split])))
        return posterior(logits.numpy(), 1.0)


def classifier(row: Contribution, seed: int, album: Album, towers: Towers, settings: AblationSettings) -> Classifier:
    """Train what a row stands on."""
    embedded = towers.embedded(Tower.BASE if row.tower is Tower.LAST_BLOCK else row.tower, seed)
    centroids = album.partitions[row.cells].centroid_lat_lng
    smoothing = settings.heads.smoothing if row.smoothed else Smoothing(0.0)
    tasks = settings.heads.tasks if row.multi_task else ()
    preset = replace(settings.heads, smoothing=smoothing, tasks=tasks, seed=seed)
    training, validation = (_examples(row, album, split, embedded) for split in (Split.TRAIN, Split.VALIDATION))
    fitted = fit_heads(training, validation, centroids, preset, lambda _: None)
    if row.tower is not Tower.LAST_BLOCK:
        return Classifier(embedded, fitted.heads)
    start = FittedModel(GeocellModel(towers.base_tower(), fitted.heads), towers.spec, fitted.scale)
    data = FittingData(
        _views(row, album, Split.TRAIN, training), _views(row, album, Split.VALIDATION, validation), centroids
    )
    tuning = replace(settings.tune, smoothing=smoothing, tasks=tasks, seed=seed)
    tuned = tune(start, data, tuning, Scope.LAST_BLOCK, lambda *_: None).model
    return Classifier(embed_album(tuned.tower, towers.spec, album), tuned.heads)


def answers(row: Contribution, found: Classifier, album: Album) -> Doubles:
    """Return the answer (N, 2) for each test photograph; views of one panorama have one answer."""
    samples = album.samples(Split.TEST, panorama=row.panorama)
    centroids = album.partitions[row.cells].centroid_lat_lng
    if row.answer is Answer.CENTROID:
        points = centroids[found.posterior(samples, Split.TEST).argmax(axis=1)]
    else:
        points = _refined(row, found, album, samples)
    return answer_of_each_view(points, samples)


def gallery_of(row: Contribution, found: Classifier, album: Album) -> Gallery:
    """Return the gallery of the training samples."""
    samples, partition = album.samples(Split.TRAIN, panorama=row.panorama), album.partitions[row.cells]
    cell = partition.cell_of_rows([views[0] for views in samples.views])
    clusters = cluster(samples.lat_lng, cell, len(partition), LOCATION_PRESETS["toy"])
    index = build_index(unit(samples.embedding(found.embedded[Split.TRAIN])), clusters)
    return Gallery(index, clusters.cell_offsets, samples.lat_lng.astype(np.float32))


def _refined(row: Contribution, found: Classifier, album: Album, samples: Samples) -> Doubles:
    """Return the refined answers, with the settings that do best on the validation places."""
    gallery, centroids = gallery_of(row, found, album), album.partitions[row.cells].centroid_lat_lng
    held_out = album.samples(Split.VALIDATION, panorama=row.panorama)

    def refined(split: Split, queries: Samples, settings: RefinementSettings) -> Doubles:
        embedding = unit(queries.embedding(found.embedded[split]))
        pairs = zip(embedding, found.posterior(queries, split), strict=True)
        return np.array([refine(e, p, centroids, gallery, settings).lat_lng[0] for e, p in pairs])

    def error_km(settings: RefinementSettings) -> float:
        return float(np.median(haversine_km(refined(Split.VALIDATION, held_out, settings), held_out.lat_lng)))

    return refined(Split.TEST, samples, min(CANDIDATES[row.answer], key=error_km))


def _examples(row: Contribution, album: Album, split: Split, embedded: Embedded) -> HeadExamples:
    samples = album.samples(split, panorama=row.panorama)
    return head_examples(samples, embedded[split], album.partitions[row.cells])


def _views(row: Contribution, album: Album, split: Split, examples: HeadExamples) -> Examples:
    samples = album.samples(split, panorama=row.panorama)
    return Examples(samples.views, examples.lat_lng, examples.cell, examples.tasks)
