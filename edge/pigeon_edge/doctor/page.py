"""PURE. A check-up as a page to read."""

from __future__ import annotations

from collections.abc import Iterator

from pigeon_edge.doctor.checkup import Checkup
from pigeon_edge.doctor.finding import Finding


def page(checkup: Checkup) -> str:
    """Return a line for each finding, below it what to do, and a final newline."""
    machine = checkup.machine
    board = f"{machine.board}, " if machine.board else ""
    header = f"{board}{machine.processor}, {machine.cores} cores, Python {machine.python}, {machine.system}"
    lines = [line for check, finding in checkup.findings for line in _lines(check.name, finding)]
    return "\n".join([header, *lines]) + "\n"


def _lines(name: str, finding: Finding) -> Iterator[str]:
    yield f"{finding.status.value:<5} {name:<11} {finding.what}"
    if finding.remedy:
        yield f"{'':<18}to do: {finding.remedy}"
