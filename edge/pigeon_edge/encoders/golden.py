"""A bundle's golden probes: pixels, and what its graph makes of them; the self-test of whatever runs the graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.encoders.protocol import INPUT, OUTPUTS, Encoder, encoding_of
from pigeon_edge.errors import BundleError
from pigeon_edge.images.preprocess import Pixels

GOLDEN = "golden.safetensors"

LEAST_COSINE = 0.98
"""What ``least_cosine`` must reach for an engine to be trusted.

The cosine that the INT8 gate asks of 99 % of photographs against full precision (``calibrate int8``): an FP16
engine is held against answers of the INT8 graph, so that it may differ by all that quantization has changed. A wrong
engine is nowhere near: unrelated photographs, a swapped channel or a half-read weight give far less.
"""

_DTYPES = {"U8": np.uint8, "F32": np.float32}


@dataclass(frozen=True)
class Golden:
    """Probes (P, S, S, 3) uint8, and the encoding that ONNX Runtime gives of them with the bundle's INT8 graph."""

    pixels: Pixels
    encoding: Encoding


def read_golden(path: Path) -> Golden:
    """Read ``golden.safetensors``. Raises BundleError where it is not as ``export pack`` writes it."""
    try:
        tensors = _tensors(path.read_bytes())
        missing = {INPUT, *OUTPUTS} - set(tensors)
        if missing:
            raise ValueError(f"no {', '.join(sorted(missing))}")
        if not len(tensors[INPUT]):
            raise ValueError("found none")
        return Golden(tensors[INPUT], encoding_of(tensors))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: expected golden probes, {error}; copy or pack the bundle again") from error


def _tensors(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a safetensors file: length of the header as uint64, the header as JSON, the bytes.

    Format: https://github.com/huggingface/safetensors#format
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header: Mapping[str, Any] = json.loads(content[8:start])
    return {name: _array(content[start:], entry) for name, entry in header.items() if name != "__metadata__"}


def _array(content: bytes, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    begin, end = entry["data_offsets"]
    return np.frombuffer(content[begin:end], _DTYPES[entry["dtype"]]).reshape(entry["shape"])


def least_cosine(encoder: Encoder, golden: Golden) -> float:
    """Return the least cosine between what an encoder gives for a probe and what it must give: 1 is the same.

    Of each probe, the embedding and the cell logits less their mean, which the posterior does not see: a single geocell
    is certain whatever its logit. NaN where the encoder gives NaN.
    """
    found, expected = encoder.encode(golden.pixels), golden.encoding
    embedding = cosine_per_row(found.embedding, expected.embedding)
    logits = _logit_cosines(found.cell_logits, expected.cell_logits)
    return float(np.minimum(embedding, logits).min())


def _logit_cosines(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    if a.shape[1] == b.shape[1] == 1:
        return np.where(np.isfinite(a[:, 0]), 1.0, np.nan)
    return cosine_per_row(_centred(a), _centred(b))


def _centred(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))


def cosine_per_row(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the cosine similarity (N,) of rows (N, D); 0 where a row has no length, NaN where one holds no number."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray((first * second).sum(axis=1) / np.maximum(lengths, np.finfo(np.float64).tiny))
