"""What captions may say beyond a manifest's own columns, from optional columns of the same file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from pigeon_edge.errors import InputError
from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.manifests.table import read_table, texts_of
from pigeon_training.learning.contrast.captions import CaptionFacts

_COLUMNS = tuple(field.name for field in fields(CaptionFacts))


def read_facts(manifest: Path) -> dict[Path, CaptionFacts]:
    """Return the facts of each photograph of a CSV or Parquet manifest, by its complete path.

    They are the columns ``town, climate, driving_side``; of a column that is absent, nothing is known.
    Raises InputError for a driving side or a climate that is none.
    """
    table = read_table(manifest)
    columns = zip(*(texts_of(table, name) for name in ("path", *_COLUMNS)), strict=True)
    return {
        manifest.parent / path: _facts(manifest, line, texts) for line, (path, *texts) in enumerate(columns, start=2)
    }


def _facts(manifest: Path, line: int, texts: Sequence[str]) -> CaptionFacts:
    facts = CaptionFacts(*(text.strip() for text in texts))
    if facts.driving_side not in ("", "left", "right"):
        raise InputError(f"{manifest}:{line}: expected driving_side left or right, found {facts.driving_side!r}")
    if facts.climate and facts.climate not in CLIMATES:
        raise InputError(f"{manifest}:{line}: expected a Koeppen-Geiger class in climate, found {facts.climate!r}")
    return facts
