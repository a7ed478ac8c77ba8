"""What captions may say beyond a manifest's own columns, from optional columns of the same file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from pigeon_edge.errors import InputError
from pigeon_training.captions import CaptionFacts
from pigeon_training.geography.climate import CLIMATES

_COLUMNS = tuple(field.name for field in fields(CaptionFacts))


def read_facts(manifest: Path) -> dict[Path, CaptionFacts]:
    """Return the facts of each photograph, by its complete path.

    They are the columns ``town, climate, driving_side``; of a column that is absent, nothing is known.
    Raises InputError for a driving side or a climate that is none.
    """
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            return {
                manifest.parent / record["path"]: _facts(manifest, line, record)
                for line, record in enumerate(csv.DictReader(file), start=2)
            }
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise InputError(f"{manifest}: expected a manifest (CSV with path, lat, lng), {error!r}") from error


def _facts(manifest: Path, line: int, record: Mapping[str, str | None]) -> CaptionFacts:
    facts = CaptionFacts(*((record.get(column) or "").strip() for column in _COLUMNS))
    if facts.driving_side not in ("", "left", "right"):
        raise InputError(f"{manifest}:{line}: expected driving_side left or right, found {facts.driving_side!r}")
    if facts.climate and facts.climate not in CLIMATES:
        raise InputError(f"{manifest}:{line}: expected a Koeppen-Geiger class in climate, found {facts.climate!r}")
    return facts
