"""PURE: the report of ``calibrate int8``, as JSON values and as a table to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_calibration.gate.drift import moved, percent_within
from pigeon_calibration.gate.thresholds import INT8_REPORT, Parity, Thresholds
from pigeon_calibration.int8.prepare import Prepared
from pigeon_calibration.int8.sensitivity import HandedBack
from pigeon_edge import __version__
from pigeon_edge.answer.encoding import Encoding

METHOD = (
    "loud channels smoothed into weights; weights per output channel, activations per tensor, symmetric, zero point 0; "
    "of each tensor the best of max, percentile, entropy and mean squared error"
)

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on, beside the measurement: the graphs, and the photographs of both sides."""

    graph_sha256: str
    int8_sha256: str
    calibration_sha256: str
    calibration_photographs: int
    gate_sha256: str
    seed: int


@dataclass(frozen=True)
class Judged:
    """Two encodings of the photographs of the gate, where geocells lie (C, 2), and where photographs were taken (N, 2).

    Coordinates are None where they are not known.
    """

    parity: Parity
    reference: Encoding
    candidate: Encoding
    centroids: Doubles | None
    truth: Doubles | None


def document(
    judged: Judged, thresholds: Thresholds, evidence: Evidence, prepared: Prepared, handed_back: Sequence[HandedBack]
) -> dict[str, Any]:
    """Return the report as JSON values."""
    parity = judged.parity
    return {
        "schema": f"{INT8_REPORT}@3",
        "passed": not thresholds.misses(parity),
        "misses": thresholds.misses(parity),
        "gate_photographs": parity.photographs,
        "embedding_cosine_min": parity.cosine_min,
        "embedding_cosine_p01": parity.cosine_p01,
        "embedding_cosine_median": parity.cosine_median,
        "cell_top1_agreement": parity.top1_agreement,
        "cell_top5_agreement": parity.top5_agreement,
        **{f"{name}_agreement": round(agreement, 4) for name, agreement in parity.tasks.items()},
        "retrieval_recall_at_5": parity.retrieval_recall,
        **_answers(judged),
        "thresholds": asdict(thresholds),
        "method": METHOD,
        "made_by": f"pigeon-edge {__version__}",
        **asdict(evidence),
        "full_precision_share": sum(item.share for item in handed_back),
        "handed_back": [asdict(item) for item in handed_back],
        "tensors": _tensors(prepared),
    }


def _answers(judged: Judged) -> dict[str, Any]:
    """Return kilometres, where it is known where the cells lie, and shares within them, where truth is known too."""
    if judged.centroids is None:
        return {}
    sides = {"float32": judged.reference, "int8": judged.candidate}
    found: dict[str, Any] = {"moved": asdict(moved(judged.reference, judged.candidate, judged.centroids))}
    if judged.truth is not None:
        within = {name: percent_within(side, judged.centroids, judged.truth) for name, side in sides.items()}
        found["percent_within_km"] = within
    return found


def _tensors(prepared: Prepared) -> dict[str, dict[str, Any]]:
    """Return what was decided for each tensor; ``largest_factor`` is None where it was not smoothed."""
    factors = {tensor: float(values.max()) for tensor, values in prepared.factors.items()}
    return {
        tensor: {**asdict(found), "largest_factor": factors.get(tensor)} for tensor, found in prepared.ranges.items()
    }


def table(report: dict[str, Any]) -> str:
    """Return a report as lines to read: what was measured, and which linears were handed back and why."""
    rows = {"photographs": f"{report['gate_photographs']:,}"}
    for name in ("p01", "median", "min"):
        rows[f"embedding cosine {name}"] = f"{report[f'embedding_cosine_{name}']:.4f}"
    for label, key in _SHARES.items():
        if report[key] is not None:
            rows[label] = f"{report[key]:.4f}"
    if "moved" in report:
        rows["moved, median and p95"] = f"{report['moved']['median_km']:,.0f} and {report['moved']['p95_km']:,.0f} km"
    for limit, share in report.get("percent_within_km", {}).get("int8", {}).items():
        rows[f"within {limit} km"] = f"{share:.1f} % (float32 {report['percent_within_km']['float32'][limit]:.1f} %)"
    rows["in full precision"] = f"{report['full_precision_share']:.1%} of the linears' multiplications"
    for item in report["handed_back"]:
        rows[f"  {item['linear']}"] = f"{item['share']:.1%}; alone in int8 it takes {item['damage']:.5f} of cosine"
    return "\n".join(f"  {label:<24} {value}" for label, value in rows.items())


_SHARES = {
    "same first geocell": "cell_top1_agreement",
    "same first five geocells": "cell_top5_agreement",
    "same nearest neighbours": "retrieval_recall_at_5",
}
