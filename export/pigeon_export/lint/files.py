"""``export lint``: files in, findings out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pigeon_calibration.graphs import load_onnx
from pigeon_edge.errors import GateError, InputError
from pigeon_export.lint.rules import lint


@dataclass
class Linted:
    """The findings of each file that could be read, and why others could not."""

    findings: dict[str, list[str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise InputError where a file could not be read, GateError where there are findings."""
        if self.unreadable:
            raise InputError("; ".join(self.unreadable))
        broken = [path for path, lines in self.findings.items() if lines]
        if broken:
            count = sum(len(self.findings[path]) for path in broken)
            raise GateError(
                f"expected graphs that keep TensorRT's rules, found {count} broken in {', '.join(broken)}; "
                "export or quantize again"
            )


def lint_files(graphs: Sequence[Path]) -> Linted:
    """Return the findings of all files."""
    linted = Linted()
    for path in graphs:
        try:
            linted.findings[str(path)] = lint(load_onnx(path))
        except InputError as error:
            linted.unreadable.append(str(error))
    return linted
