"""Which photographs of a manifest a model is evaluated on."""

from __future__ import annotations

from pathlib import Path

from pigeon_edge.manifest import PhotoRow, Split
from pigeon_training.data.dataset import read_rows, read_split
from pigeon_training.data.samples import one_photograph_a_place
from pigeon_training.data.streaming import Sample, singles
from pigeon_training.data.streaming import panoramas as group_views

PLACES = 2000
"""Places that are evaluated unless told otherwise: an interval of a percentage is then 4.4 points wide at most."""


def chosen(manifest: Path, limit: int | None, *, panoramas: bool, benchmark: bool) -> list[Sample]:
    """Return at most ``limit`` samples: one photograph a place of the test split, or its panoramas; else 2,000.

    Of a benchmark, no part of which anyone trains on, every photograph where there is no limit.
    """
    if benchmark:
        return singles(read_rows(manifest)[:limit])
    rows = read_split(manifest, Split.TEST)
    most = limit or PLACES
    return group_views(rows)[:most] if panoramas else singles(one_photograph_a_place(rows, most))


def training_photographs(manifest: Path) -> list[PhotoRow]:
    """Return the rows of the training split, which may be none."""
    return [row for row in read_rows(manifest) if row.split is Split.TRAIN]
