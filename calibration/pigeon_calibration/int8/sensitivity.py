"""Which linears int8 damages most, and which of them to hand back to full precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx

from pigeon_calibration.gate.parity import cosine_per_row
from pigeon_calibration.int8.prepare import Prepared
from pigeon_calibration.int8.quantize import linears, quantize
from pigeon_calibration.runner import Runner
from pigeon_edge.images.preprocess import Pixels

BUDGET = 0.05
"""The largest share of the linears' multiplications that may stay in full precision."""

SHORTLIST = 16
"""Linears whose damage is measured from pixels to embedding: those with the largest output errors of their own."""


@dataclass(frozen=True)
class HandedBack:
    """A linear that stays in full precision.

    ``damage`` is what it alone, in int8, takes from the mean cosine of the embedding; ``share`` is its part of the
    multiplications of all linears.
    """

    linear: str
    damage: float
    share: float


def shares(model: onnx.ModelProto) -> dict[str, float]:
    """Return the part of each linear in the multiplications of all: all read as many tokens, so its weight's size."""
    dims = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    sizes = {node.name: dims[node.input[1]][0] * dims[node.input[1]][1] for node in linears(model)}
    total = sum(sizes.values())
    return {name: size / total for name, size in sizes.items()}


def damages(prepared: Prepared, pixels: Pixels) -> dict[str, float]:
    """Return 1 - the mean cosine of the embedding with one linear in int8, for the linears that err most by themselves.

    ``pixels`` (n, S, S, 3) are of photographs to calibrate on. Raises EngineError where a graph does not run.
    """
    nodes = linears(prepared.graph)
    worst = sorted(nodes, key=lambda node: -prepared.ranges[node.input[0]].output_error)[:SHORTLIST]
    truth = Runner(prepared.graph).encode(pixels).embedding
    found = {}
    for node in worst:
        others = [other.name for other in nodes if other.name != node.name]
        embedding = Runner(quantize(prepared.graph, prepared.scales, others)).encode(pixels).embedding
        found[node.name] = float(1 - cosine_per_row(truth, embedding).mean())
    return found


def handing_back(damage: Mapping[str, float], share: Mapping[str, float]) -> Iterator[Sequence[HandedBack]]:
    """Yield what to hand back: the linear with the worst damage, that and the next, and so on within the budget."""
    chosen: list[HandedBack] = []
    for name in sorted(damage, key=lambda name: -damage[name]):
        if sum(item.share for item in chosen) + share[name] <= BUDGET:
            chosen.append(HandedBack(name, damage[name], share[name]))
            yield tuple(chosen)
