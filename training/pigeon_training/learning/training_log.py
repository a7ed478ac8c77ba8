"""The log of a training: one CSV line an epoch, readable while it grows."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from pigeon_edge.files import replacing


class TrainingLog:
    """Appends lines of named numbers to a file; the first line's names are its header."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: tuple[str, ...] = ()

    def keep(self, lines: int) -> None:
        """Go on with a log that is there, after so many of its lines: what came after them is done again."""
        with self._path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        self._columns = tuple(header)
        with replacing(self._path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows[:lines]])

    def write(self, numbers: Mapping[str, float]) -> None:
        """Append a line. A later line must have the first one's names."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if not self._columns:
                self._columns = tuple(numbers)
                writer.writerow(self._columns)
            writer.writerow([f"{numbers[column]:.6g}" for column in self._columns])
