"""What the linears of a graph read: per tensor the loudest value of each channel, a histogram, and some rows.

Observations of two sets of photographs join into that of both, so that they are streamed and their size does not grow
with the number of photographs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from pigeon_calibration.runner import Runner
from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import Pixels

Floats = npt.NDArray[np.float32]

ROWS = 256
"""Rows kept of a tensor: enough to tell the output errors of two settings apart."""

ROWS_A_PHOTOGRAPH = 8

BINS = 1 << 15
"""One bin per bfloat16 magnitude, cut off, not rounded: between 1/128 and 1/256 wide, whatever the range."""

BIN_EDGES = (np.arange(BINS + 1, dtype=np.uint32) << 16).view(np.float32)[: BINS - 127]
"""The lower edges of the bins of finite magnitudes, and the upper edge of the last, which is infinity."""


@dataclass(frozen=True)
class Observation:
    """What so many photographs showed of a tensor of K channels.

    ``channel_maxima`` (K,) are the largest magnitudes, ``counts`` (BINS,) how many values fell between two bin edges,
    ``rows`` (R, K) the loudest token and some others of the first photographs.
    """

    photographs: int
    channel_maxima: Floats
    counts: npt.NDArray[np.int64]
    rows: Floats

    @classmethod
    def of(cls, values: Floats) -> Observation:
        """Observe values (n, T, K)."""
        magnitude = np.abs(values)
        counts = np.bincount((magnitude.view(np.uint32) >> 16).ravel(), minlength=BINS)
        return cls(len(values), magnitude.max(axis=(0, 1)), counts, _some_rows(values, magnitude))

    def joined(self, other: Observation) -> Observation:
        """Return the observation of both sets."""
        return Observation(
            self.photographs + other.photographs,
            np.maximum(self.channel_maxima, other.channel_maxima),
            self.counts + other.counts,
            np.concatenate([self.rows, other.rows[: max(0, ROWS - len(self.rows))]]),
        )


def _some_rows(values: Floats, magnitude: Floats) -> Floats:
    """Return the loudest token of each photograph (n, T, K), and tokens at even distances, the first among them."""
    count, tokens, _ = values.shape
    even = np.unique(np.linspace(0, tokens - 1, ROWS_A_PHOTOGRAPH - 1).astype(int))
    loudest = magnitude.max(axis=2).argmax(axis=1)
    chosen = np.concatenate([loudest[:, None], np.tile(even, (count, 1))], axis=1)
    return np.take_along_axis(values, chosen[:, :, None], axis=1).reshape(-1, values.shape[2])


def observe(model: onnx.ModelProto, tensors: Sequence[str], batches: Iterable[Pixels]) -> dict[str, Observation]:
    """Return the observation of each tensor (n, T, K) over all batches. Raises as ``observing``."""
    seen: dict[str, Observation] = {}
    for seen in observing(model, tensors, batches, {}):  # noqa: B007, the last one counts
        pass
    return seen


def observing(
    model: onnx.ModelProto, tensors: Sequence[str], batches: Iterable[Pixels], seen: dict[str, Observation]
) -> Iterator[dict[str, Observation]]:
    """Yield, after each batch, the observation of each tensor (n, T, K) so far, joined to what was ``seen`` before.

    Raises EngineError where the graph does not run, InputError where a value is no finite number.
    """
    runner = Runner(observing_graph(model, tensors))
    for pixels in batches:
        values = zip(tensors, runner.run(tensors, pixels), strict=True)
        new = {tensor: Observation.of(value) for tensor, value in values}
        for tensor, observation in new.items():
            _check_finite(tensor, observation)
        seen = {tensor: seen[tensor].joined(new[tensor]) if tensor in seen else new[tensor] for tensor in tensors}
        yield seen


def observing_graph(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """Return a graph whose outputs are the tensors themselves."""
    outputs = [helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None) for tensor in tensors]
    graph = model.graph
    proto = helper.make_graph(list(graph.node), graph.name, list(graph.input), outputs, list(graph.initializer))
    return helper.make_model(proto, opset_imports=list(model.opset_import), ir_version=model.ir_version)


def _check_finite(tensor: str, observation: Observation) -> None:
    largest = observation.channel_maxima.max()
    if not np.isfinite(largest):
        raise InputError(f"expected finite activations, found {largest} in {tensor}; export the graph again")
