"""A table of measurements, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """What was measured, under which conditions, in rows; numbers are rounded only when they are shown."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the table with its rows as objects."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {**asdict(self), "rows": rows}

    def to_markdown(self) -> str:
        """Return the table as Markdown, in columns of even width: words to the left, numbers to the right."""
        lines = [self.columns, *[tuple(_shown(value) for value in row) for row in self.rows]]
        numeric = [isinstance(value, (int, float)) for value in self.rows[0]]
        widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(self.columns))]
        rule = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, numeric, strict=True)]
        header, *body = [_aligned(line, widths, numeric) for line in lines]
        return "\n".join([f"## {self.title}", "", self.note, "", header, f"| {' | '.join(rule)} |", *body])


def _shown(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 1000 or isinstance(value, int) else f"{value:.3g}"


def _aligned(line: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    cells = zip(line, widths, numeric, strict=True)
    return f"| {' | '.join(text.rjust(width) if right else text.ljust(width) for text, width, right in cells)} |"
