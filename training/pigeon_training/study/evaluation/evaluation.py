"""An evaluation: the report of a model beside what it has to beat, as JSON and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pigeon_training.study.evaluation.metrics import distances
from pigeon_training.study.evaluation.predicted import Predicted
from pigeon_training.study.evaluation.predictions import Doubles
from pigeon_training.study.evaluation.report import Report
from pigeon_training.study.evaluation.table import lines_of
from pigeon_training.study.evaluation.tasks import ClassMetric, RegressionMetric


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's report beside its baselines' errors (N,) in km, and the metrics of its tasks."""

    predicted: Predicted
    report: Report
    rivals_km: dict[str, Doubles]
    tasks: dict[str, RegressionMetric | ClassMetric]

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as JSON values; intervals are lists of two."""
        told = asdict(self.report)
        ours, intervals = told.pop("distances"), told.pop("intervals")
        failures = [{"path": str(each.row.path), "reason": each.reason} for each in self.predicted.unreadable]
        return {
            "model": self.predicted.model,
            "ours": ours,
            "ours_95": intervals,
            **{name: asdict(distances(errors)) for name, errors in self.rivals_km.items()},
            "promised_coverage": self.predicted.promised_coverage,
            **told,
            "tasks": {name: asdict(metric) for name, metric in self.tasks.items()},
            "unreadable": failures,
        }

    def lines(self) -> Iterator[str]:
        """Return the evaluation as lines of text."""
        rivals = {name: distances(errors) for name, errors in self.rivals_km.items()}
        return lines_of(self.report, rivals, self.tasks, self.predicted.promised_coverage)
