"""The log of a training: one CSV line an epoch, readable while it grows."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


class TrainingLog:
    """Appends lines of named numbers to a file; the first line's names are its header."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: tuple[str, ...] = ()

    def write(self, numbers: Mapping[str, float]) -> None:
        """Append a line. A later line must have the first one's names."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if not self._columns:
                self._columns = tuple(numbers)
                writer.writerow(self._columns)
            writer.writerow([f"{numbers[column]:.6g}" for column in self._columns])
