"""The accuracy gate: is int8 close enough to full precision, on photographs that it was not calibrated on?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from pigeon_calibration.gate.drift import retrieval_recall
from pigeon_calibration.gate.thresholds import Parity, Thresholds
from pigeon_calibration.runner import Runner
from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.encoders import golden
from pigeon_edge.encoders.protocol import Encoder
from pigeon_edge.images.preprocess import Pixels

Floats: TypeAlias = npt.NDArray[np.float64]


def cosine_per_row(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Return the cosine similarity (N,) of rows (N, D); 0 where a row has no length or holds NaN or infinity."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(golden.cosine_per_row(a, b), nan=0.0))


def compare(a: Encoding, b: Encoding) -> Parity:
    """Return how alike two encodings of the same photographs are. The first percentile is a value that occurs."""
    cosine = cosine_per_row(a.embedding, b.embedding)
    lowest, p01 = float(cosine.min()), float(np.quantile(cosine, 0.01, method="lower"))
    top1, top5 = (_cell_agreement(a, b, count) for count in (1, 5))
    tasks = {name: _task_agreement(name, a.tasks[name], b.tasks[name]) for name in a.tasks if name in b.tasks}
    return Parity(len(cosine), lowest, p01, float(np.median(cosine)), top1, top5, tasks, retrieval_recall(a, b))


def determination(reference: npt.ArrayLike, found: npt.ArrayLike) -> float:
    """Return the least coefficient of determination of the columns of (N, R): 1 less error over variance.

    A column that does not vary counts as 1 where it is found as it was, as 0 else.
    """
    expected, other = np.asarray(reference, np.float64), np.asarray(found, np.float64)
    error = ((other - expected) ** 2).sum(axis=0)
    variance = ((expected - expected.mean(axis=0)) ** 2).sum(axis=0)
    share = error / np.where(variance > 0, variance, 1.0)
    return float(np.where(variance > 0, 1 - share, error == 0).min())


def _cell_agreement(a: Encoding, b: Encoding, count: int) -> float | None:
    """Return the mean share of the first ``count`` cells that are the same."""
    cells = min(a.cell_logits.shape[1], b.cell_logits.shape[1])
    if not cells:
        return None
    first, second = (np.argsort(-side.cell_logits, axis=1, kind="stable")[:, :count] for side in (a, b))
    return float((first[:, :, None] == second[:, None, :]).any(axis=2).mean())


def encode(model: onnx.ModelProto, batches: Iterable[Pixels]) -> Encoding:
    """Return a graph's encoding of all photographs. Raises EngineError where it does not run."""
    return encode_with(Runner(model), batches)


def encode_with(encoder: Encoder, batches: Iterable[Pixels]) -> Encoding:
    """Return an encoder's encoding of all photographs."""
    encodings = [encoder.encode(pixels) for pixels in batches]
    return Encoding(
        np.concatenate([encoding.embedding for encoding in encodings]),
        np.concatenate([encoding.cell_logits for encoding in encodings]),
        {name: np.concatenate([encoding.tasks[name] for encoding in encodings]) for name in encodings[0].tasks},
    )


def measure(reference: onnx.ModelProto, candidate: onnx.ModelProto, batches: Iterable[Pixels]) -> Parity:
    """Return the parity of two graphs on batches of photographs. Raises EngineError where one does not run."""
    pixels = list(batches)
    return compare(encode(reference, pixels), encode(candidate, pixels))


def verdict(parity: Parity, thresholds: Thresholds) -> str:
    """Return the verdict in one line."""
    misses = thresholds.misses(parity)
    cells = "" if parity.top1_agreement is None else f", top-1 cell agreement {parity.top1_agreement:.4f}"
    measured = f"embedding cosine p01 {parity.cosine_p01:.4f}{cells} on {parity.photographs} photographs"
    return f"int8 failed: {'; '.join(misses)}" if misses else f"int8 passed: {measured}"


def _task_agreement(name: str, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    if name == "regressions":
        return determination(a, b)
    return float((a.argmax(axis=1) == b.argmax(axis=1)).mean())
