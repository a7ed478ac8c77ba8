"""The photographs of an ablation: the planet's places by split, as single images or as panoramas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pigeon_edge.manifest import PhotoRow, Split, lat_lng_of_rows
from pigeon_training.cells.baselines import cells_of_rectangles
from pigeon_training.cells.partition import Partition
from pigeon_training.cells.semantic import cells_of_names
from pigeon_training.data.dataset import read_split
from pigeon_training.data.streaming import Sample, panoramas, singles
from pigeon_training.data.task_columns import read_task_targets
from pigeon_training.data.tasks import TaskTargets
from pigeon_training.learning.heads.examples import Floats, HeadExamples, SampleEmbeddings
from pigeon_training.presets import CellPreset
from pigeon_training.study.ablation.contributions import Cells

Doubles = npt.NDArray[np.float64]
Embedded = Mapping[Split, Floats]
"""An embedding (N, D) of every photograph of a split, in the order of its rows."""


@dataclass(frozen=True, eq=False)
class Samples:
    """S samples of a split: their views, each view's number among the split's rows, and the targets of the tasks."""

    views: Sequence[Sample]
    numbers: Sequence[Sequence[int]]
    tasks: TaskTargets

    @cached_property
    def lat_lng(self) -> Doubles:
        """(S, 2) degrees."""
        return lat_lng_of_rows([views[0] for views in self.views])

    def embedding(self, embedded: Floats) -> Floats:
        """Return (S, D) the mean of each sample's views, of embeddings (N, D) of the split's rows."""
        return SampleEmbeddings(embedded, self.numbers)[np.arange(len(self.views))]


@dataclass(frozen=True, eq=False)
class Album:
    """The photographs by split, and geocells of the training photographs."""

    manifest: Path
    rows: Mapping[Split, list[PhotoRow]]
    partitions: Mapping[Cells, Partition]

    @cached_property
    def test_place(self) -> npt.NDArray[np.int64]:
        """(N,) equal for test photographs of one place."""
        return np.unique([row.place_id for row in self.rows[Split.TEST]], return_inverse=True)[1]

    def samples(self, split: Split, *, panorama: bool) -> Samples:
        """Return the samples of a split."""
        rows = self.rows[split]
        views = panoramas(rows) if panorama else singles(rows)
        number = {row.path: index for index, row in enumerate(rows)}
        numbers = [[number[row.path] for row in sample] for sample in views]
        return Samples(views, numbers, self._targets[split].take(np.array([own[0] for own in numbers])))

    @cached_property
    def _targets(self) -> Mapping[Split, TaskTargets]:
        """The targets of each split's rows; the manifest is read once for all rows of the ablation."""
        return {split: read_task_targets(self.manifest, rows) for split, rows in self.rows.items()}


def open_album(manifest: Path, preset: CellPreset) -> Album:
    """Read a manifest and make both kinds of geocells of its training photographs, of the same sizes."""
    rows = {split: read_split(manifest, split) for split in Split}
    training = rows[Split.TRAIN]
    partitions = {
        Cells.RECTANGLES: cells_of_rectangles(training, preset.min_size, preset.max_size),
        Cells.SEMANTIC: cells_of_names(training, preset).partition,
    }
    return Album(manifest, rows, partitions)


def head_examples(samples: Samples, embedded: Floats, partition: Partition) -> HeadExamples:
    """Return what heads are trained on."""
    first = [views[0] for views in samples.views]
    return HeadExamples(samples.embedding(embedded), samples.lat_lng, partition.cell_of_rows(first), samples.tasks)


def answer_of_each_view(points: Doubles, samples: Samples) -> Doubles:
    """Return the answers (N, 2) of a split's rows, of answers (S, 2) to its samples."""
    sample = np.repeat(np.arange(len(samples.numbers)), [len(views) for views in samples.numbers])
    answer = np.empty((len(sample), 2))
    answer[np.concatenate(samples.numbers)] = points[sample]
    return answer
