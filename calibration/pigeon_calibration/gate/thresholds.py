"""PURE: what a graph must reach to be accepted, and the mark that an int8 graph carries of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from pigeon_edge.errors import GateError

INT8_REPORT = "pigeon-edge/int8-report"
"""The schema of the report of `calibrate int8`, without its version."""

VERDICT_KEY = "pigeon_edge.int8_gate"
VERIFIED, UNVERIFIED = "verified", "unverified"
"""Under this key an int8 graph carries what the gate said of it."""


@dataclass(frozen=True)
class Parity:
    """How alike two encodings of the same N photographs are, by scores of at most 1.

    ``top1_agreement`` is the share of photographs with the same first cell, ``top5_agreement`` the mean share of the
    first five cells (or all, where there are fewer) that are the same; None where there are no cells. ``tasks`` holds
    the agreement of each task output that both have: the share with the same first class, and of regressions the least
    coefficient of determination of a column. No threshold is set for it: where a head's answers hardly vary, as of a
    month that photographs do not show, neither number says whether int8 has done harm.
    ``retrieval_recall`` is the mean share of a photograph's five nearest neighbours among the others that stay such;
    None where there are too few of them.
    """

    photographs: int
    cosine_min: float
    cosine_p01: float
    cosine_median: float
    top1_agreement: float | None
    top5_agreement: float | None
    tasks: Mapping[str, float] = field(default_factory=dict)
    retrieval_recall: float | None = None


@dataclass(frozen=True)
class Thresholds:
    """What a parity must reach: the cosine of 99 % of photographs, the shares of first cells and neighbours kept."""

    cosine_p01: float
    top1_agreement: float
    retrieval_recall: float = 0.0

    def misses(self, parity: Parity) -> list[str]:
        """Return what falls short, in words; empty when it passes."""
        found = []
        if not parity.cosine_p01 >= self.cosine_p01:  # written so that a cosine that is no number fails
            found.append(f"embedding cosine p01 {parity.cosine_p01:.4f} is under {self.cosine_p01:g}")
        if parity.top1_agreement is not None and not parity.top1_agreement >= self.top1_agreement:
            found.append(f"top-1 cell agreement {parity.top1_agreement:.4f} is under {self.top1_agreement:g}")
        if parity.retrieval_recall is not None and not parity.retrieval_recall >= self.retrieval_recall:
            found.append(
                f"recall of nearest neighbours {parity.retrieval_recall:.4f} is under {self.retrieval_recall:g}"
            )
        return found


INT8_THRESHOLDS = Thresholds(cosine_p01=0.98, top1_agreement=0.95, retrieval_recall=0.9)
"""What an int8 graph must reach against its full-precision twin to ship."""


def marked(model: onnx.ModelProto, passed: bool) -> onnx.ModelProto:
    """Return the graph with the verdict in its metadata, where ``pack`` looks for it."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    result.metadata_props.add(key=VERDICT_KEY, value=VERIFIED if passed else UNVERIFIED)
    return result


def check_not_unverified(model: onnx.ModelProto, path: Path) -> None:
    """Raise GateError for an int8 graph that fell short of its gate."""
    if any(entry.key == VERDICT_KEY and entry.value == UNVERIFIED for entry in model.metadata_props):
        raise GateError(f"{path}: fell short of the gate of `calibrate int8`; calibrate it again, on more photographs")
