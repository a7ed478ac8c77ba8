"""A few photographs out of many, chosen by hash: the same ones every time, and by nobody's taste."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from pigeon_edge.errors import InputError
from pigeon_edge.files import replacing_folder
from pigeon_edge.manifest import PhotoRow, Split
from pigeon_training.data.dataset import read_split
from pigeon_training.data.photographs import read_bytes


def one_photograph_a_place(rows: Sequence[PhotoRow], limit: int) -> list[PhotoRow]:
    """Return at most ``limit`` rows of different places; which photograph of a place is a hash's choice."""
    chosen: dict[str, PhotoRow] = {}
    for row in sorted(rows, key=lambda row: hashlib.sha256(str(row.path.name).encode()).digest()):
        chosen.setdefault(row.place_id, row)
    return list(chosen.values())[:limit]


def copy_samples(manifest: Path, out: Path, count: int) -> None:
    """Copy photographs of ``count`` places of the test split, chosen by hash, into a folder of their own.

    Raises InputError where the test split is smaller.
    """
    rows = one_photograph_a_place(read_split(manifest, Split.TEST), count)
    if len(rows) < count:
        raise InputError(f"{manifest}: {count} samples asked for, the test split has {len(rows)} places")
    with replacing_folder(out, "01-*") as scratch:
        scratch.mkdir()
        for number, row in enumerate(rows, start=1):
            country = re.sub(r"\W+", "-", row.country.lower()).strip("-") or "unnamed"
            (scratch / f"{number:02}-{country}{row.path.suffix.lower()}").write_bytes(read_bytes(row.path))
