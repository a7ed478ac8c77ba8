"""What is learnt from: samples of photographs with their coordinates, geocells and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pigeon_edge.manifest import lat_lng_of_rows
from pigeon_training.cells.partition import Partition
from pigeon_training.data.streaming import Ids, Sample
from pigeon_training.data.task_columns import read_task_targets
from pigeon_training.data.tasks import TaskTargets


@dataclass(frozen=True, eq=False)
class Examples:
    """S samples, the coordinates ``lat_lng`` (S, 2) and ``cell`` (S,) of each, and the tasks' targets if any are known.

    Coordinates and targets of a panorama are those of its first view.
    """

    samples: Sequence[Sample]
    lat_lng: npt.NDArray[np.float64]
    cell: Ids
    tasks: TaskTargets | None = None


@dataclass(frozen=True, eq=False)
class FittingData:
    """Examples to train on and to validate on, and the cells' centroids (C, 2).

    ``cell_ids`` (C,) name the cells, where they have names: heads that were trained for others are not gone on with.
    """

    training: Examples
    validation: Examples
    centroid_lat_lng: npt.NDArray[np.float64]
    cell_ids: tuple[str, ...] | None = None


def examples_of(samples: Sequence[Sample], geocells: Partition) -> Examples:
    """Return samples with the cells that they lie in."""
    first = [sample[0] for sample in samples]
    return Examples(samples, lat_lng_of_rows(first), geocells.cell_of_rows(first))


def with_tasks(examples: Examples, manifest: Path) -> Examples:
    """Return examples with the targets that a manifest's columns tell. Raises InputError as ``read_task_targets``."""
    targets = read_task_targets(manifest, [sample[0] for sample in examples.samples])
    return Examples(examples.samples, examples.lat_lng, examples.cell, targets)
