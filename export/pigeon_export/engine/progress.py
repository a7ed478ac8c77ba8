"""PURE: nested phases with steps, as TensorRT's IProgressMonitor tells them, to one fraction that only grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Report: TypeAlias = Callable[[float, str], None]
"""Takes the fraction that is done (0..1), and the phase that runs."""

SMALLEST_STEP = 0.01


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Steps:
    """Keeps the phases that run; reports each hundredth. Phases may run at once, and may have unknown parents."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._phases: dict[str, _Phase] = {}
        self._told = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins within a step of another, or on its own."""
        self._phases[name] = _Phase(parent, max(steps, 1))

    def complete(self, name: str, step: int) -> None:
        """Step number ``step`` of a phase, from 0, is done."""
        if name not in self._phases:
            return
        phase = self._phases[name]
        phase.done = min(step + 1, phase.steps)
        self._tell(name)

    def finish(self, name: str) -> None:
        """A phase is over."""
        self._phases.pop(name, None)

    def _tell(self, name: str) -> None:
        fraction, phase = 0.0, self._phases.get(name)
        while phase:
            fraction = min((phase.done + fraction) / phase.steps, 1.0)
            phase = self._phases.get(phase.parent) if phase.parent else None
        if fraction >= self._told + SMALLEST_STEP:
            self._told = fraction
            self._report(fraction, name)
