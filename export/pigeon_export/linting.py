"""``export lint``: files in, findings out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pigeon_calibration.observe import load_onnx
from pigeon_edge.errors import GateError
from pigeon_export.lint import lint


def lint_files(graphs: Sequence[Path]) -> dict[str, list[str]]:
    """Return the findings of each file. Raises InputError where one is no ONNX graph."""
    return {str(path): lint(load_onnx(path, external_data=False)) for path in graphs}


def check_clean(findings: dict[str, list[str]]) -> None:
    """Raise GateError where there are findings."""
    broken = [path for path, lines in findings.items() if lines]
    if broken:
        count = sum(len(findings[path]) for path in broken)
        raise GateError(
            f"expected graphs that keep TensorRT's rules, found {count} broken in {', '.join(broken)}; "
            "export or quantize again"
        )
