"""The targets of the tasks, from the optional columns of a manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pigeon_edge.errors import InputError
from pigeon_edge.manifest import PhotoRow
from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.manifests.table import read_table
from pigeon_training.data.tasks import REGRESSIONS, TaskTargets

Record = Mapping[str, str]


def read_task_targets(manifest: Path, rows: Sequence[PhotoRow]) -> TaskTargets:
    """Return the targets of rows of a manifest; what a column does not tell is unknown.

    Raises InputError, naming the photograph, for a value that is no number or no climate.
    """
    records = {os.fspath(manifest.parent / record["path"]): record for record in read_table(manifest).to_pylist()}
    told = [records[os.fspath(row.path)] for row in rows]
    regression = [[_number(record, column) for column in REGRESSIONS] for record in told]
    return TaskTargets(
        np.array(regression, np.float64).reshape(-1, len(REGRESSIONS)),
        np.array([_climate(record) for record in told], np.int64),
        np.array([row.month - 1 if row.month else -1 for row in rows], np.int64),
    )


def _number(record: Record, column: str) -> float:
    text = record.get(column, "").strip()
    try:
        return float(text) if text else float("nan")
    except ValueError as error:
        raise InputError(f"{record['path']}: expected a number in {column}, found {text!r}; mend the row") from error


def _climate(record: Record) -> int:
    code = record.get("climate", "").strip()
    if code and code not in CLIMATES:
        raise InputError(f"{record['path']}: expected a Koeppen-Geiger class in climate, found {code!r}; mend the row")
    return CLIMATES.index(code) if code else -1
