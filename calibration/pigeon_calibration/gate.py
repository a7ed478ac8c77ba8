"""The accuracy gate: is int8 close enough to full precision, on photographs that it was not calibrated on?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from pigeon_calibration.observe import Runner
from pigeon_edge.encoders.protocol import Encoding
from pigeon_edge.preprocess import Pixels

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parity:
    """How alike two encodings of the same N photographs are, by scores of at most 1.

    ``top1_agreement`` is the share of photographs with the same first cell, None where there are no cells.
    """

    photographs: int
    cosine_min: float
    cosine_p01: float
    top1_agreement: float | None


@dataclass(frozen=True)
class Thresholds:
    """What a parity must reach: the cosine that 99 % of photographs reach, and the share with the same first cell."""

    cosine_p01: float
    top1_agreement: float

    def misses(self, parity: Parity) -> list[str]:
        """Return what falls short, in words; empty when it passes."""
        found = []
        if not parity.cosine_p01 >= self.cosine_p01:  # written so that a cosine that is no number fails
            found.append(f"embedding cosine p01 {parity.cosine_p01:.4f} is under {self.cosine_p01:g}")
        if parity.top1_agreement is not None and not parity.top1_agreement >= self.top1_agreement:
            found.append(f"top-1 cell agreement {parity.top1_agreement:.4f} is under {self.top1_agreement:g}")
        return found


INT8_THRESHOLDS = Thresholds(cosine_p01=0.98, top1_agreement=0.95)
"""What an int8 graph must reach against its full-precision twin to ship."""


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on, beside the measurement: counts, and what was calibrated how."""

    method: str
    calibration_photographs: int
    calibration_sha256: str
    graph_sha256: str
    tensors: dict[str, dict[str, Any]]


def cosine_per_row(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Return the cosine similarity (N,) of rows (N, D); 0 where a row has no length or holds NaN."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray(
        np.nan_to_num((first * second).sum(axis=1) / np.maximum(lengths, np.finfo(np.float64).tiny), nan=0.0)
    )


def compare(a: Encoding, b: Encoding) -> Parity:
    """Return how alike two encodings of the same photographs are. The first percentile is a value that occurs."""
    cosine = cosine_per_row(a.embedding, b.embedding)
    has_cells = min(a.cell_logits.shape[1], b.cell_logits.shape[1]) > 0
    same = a.cell_logits.argmax(axis=1) == b.cell_logits.argmax(axis=1) if has_cells else None
    p01 = float(np.quantile(cosine, 0.01, method="lower"))
    return Parity(len(cosine), float(cosine.min()), p01, None if same is None else float(same.mean()))


def measure(reference: onnx.ModelProto, candidate: onnx.ModelProto, batches: Iterable[Pixels]) -> Parity:
    """Return the parity of two graphs on batches of photographs. Raises EngineError where one does not run."""
    runners = Runner(reference), Runner(candidate)
    pairs = [[runner.encode(pixels) for runner in runners] for pixels in batches]
    first, second = (_joined([pair[side] for pair in pairs]) for side in (0, 1))
    return compare(first, second)


def report(parity: Parity, thresholds: Thresholds, evidence: Evidence) -> dict[str, Any]:
    """Return the report of a verdict as JSON values."""
    return {
        "schema": "pigeon-edge/int8-report@2",
        "passed": not thresholds.misses(parity),
        "misses": thresholds.misses(parity),
        "gate_photographs": parity.photographs,
        "embedding_cosine_min": parity.cosine_min,
        "embedding_cosine_p01": parity.cosine_p01,
        "cell_top1_agreement": parity.top1_agreement,
        "thresholds": asdict(thresholds),
        **asdict(evidence),
    }


def verdict(parity: Parity, thresholds: Thresholds) -> str:
    """Return the verdict in one line."""
    misses = thresholds.misses(parity)
    cells = "" if parity.top1_agreement is None else f", top-1 cell agreement {parity.top1_agreement:.4f}"
    measured = f"embedding cosine p01 {parity.cosine_p01:.4f}{cells} on {parity.photographs} photographs"
    return f"int8 failed: {'; '.join(misses)}" if misses else f"int8 passed: {measured}"


def _joined(encodings: list[Encoding]) -> Encoding:
    return Encoding(
        np.concatenate([encoding.embedding for encoding in encodings]),
        np.concatenate([encoding.cell_logits for encoding in encodings]),
    )
