"""Geocells on disk: a folder with the two files that a bundle has, and the regions that each cell is made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pigeon_edge.errors import InputError
from pigeon_edge.files import replacing, write_json
from pigeon_training.cells.semantic import Geocell


def write_cells(folder: Path, cells: Sequence[Geocell]) -> None:
    """Write ``centroid_lat_lng.npy``, ``places.json`` and ``regions.json``, by rename."""
    with replacing(folder) as scratch:
        scratch.mkdir()
        np.save(scratch / "centroid_lat_lng.npy", np.array([cell.centroid_lat_lng for cell in cells], np.float64))
        write_json(scratch / "places.json", [vars(cell.place) for cell in cells])
        write_json(scratch / "regions.json", [vars(cell) for cell in cells])


def read_cells(folder: Path) -> tuple[Geocell, ...]:
    """Read what ``write_cells`` wrote. Raises InputError where it is not there."""
    try:
        records = json.loads((folder / "regions.json").read_text(encoding="utf-8"))
        return tuple(_cell(record) for record in records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: expected geocells, {error}; make them with: pigeon-edge train cells") from error


def _cell(record: dict[str, Any]) -> Geocell:
    lat, lng = record["centroid_lat_lng"]
    names = {key: str(record[key]) for key in ("country_code", "country")}
    return Geocell(**names, regions=tuple(record["regions"]), size=int(record["size"]), centroid_lat_lng=(lat, lng))
