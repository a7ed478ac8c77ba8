"""What a run has measured so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

from pigeon_edge.bench.latency import Drift, Latencies, drift
from pigeon_edge.encoders.tensorrt.key import BATCHES

STAGES = ("decode", "encode", "classify and refine", "confidence")
_TENTHS = 10


@dataclass
class Throughput:
    """Photographs that went from pixels to answers, and the seconds it took."""

    photographs: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Photographs a second."""
        return self.photographs / self.seconds


@dataclass
class Record:
    """Latencies by tenth of the planned duration and by stage, throughput by batch, and the seconds they stand for."""

    planned_s: float
    measured_s: float = 0.0
    tenths: list[Latencies] = field(default_factory=lambda: [Latencies() for _ in range(_TENTHS)])
    stages: dict[str, Latencies] = field(default_factory=lambda: {name: Latencies() for name in STAGES})
    throughput: dict[int, Throughput] = field(default_factory=lambda: {batch: Throughput() for batch in BATCHES})

    def add_pass(self, stage_s: Sequence[float], elapsed_s: float) -> None:
        """Count one photograph that took these seconds in each of ``STAGES`` and was done at ``elapsed_s``."""
        tenth = int(_TENTHS * elapsed_s / self.planned_s)
        self.tenths[min(tenth, _TENTHS - 1)].add(1000 * sum(stage_s))
        for name, seconds in zip(STAGES, stage_s, strict=True):
            self.stages[name].add(1000 * seconds)
        self.add_batch(1, sum(stage_s[1:]), elapsed_s)

    def add_batch(self, size: int, seconds: float, elapsed_s: float) -> None:
        """Count a batch that took these seconds from pixels to answers and was done at ``elapsed_s``."""
        self.throughput[size].photographs += size
        self.throughput[size].seconds += seconds
        self.measured_s = elapsed_s

    @property
    def latencies(self) -> Latencies:
        """Of single photographs, from file content to answer."""
        return reduce(Latencies.joined, self.tenths)

    @property
    def drift(self) -> Drift | None:
        """How the median moved from the first tenth to the last."""
        return drift(self.tenths)
