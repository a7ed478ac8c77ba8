"""Geocells on disk: a folder with the two files that a bundle has, and what finds the cell of a photograph.

``centroid_lat_lng.npy`` and ``places.json`` go into the bundle; ``regions.json`` holds cells, regions and splits;
``land.npz`` the polygons, where the cells have boundaries.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pigeon_edge.errors import InputError
from pigeon_edge.files import replacing_folder, write_json
from pigeon_training.cells.geocell import Geocell, Region
from pigeon_training.cells.partition import Land, Partition
from pigeon_training.cells.rectangles import Rectangles
from pigeon_training.cells.squares import Squares
from pigeon_training.cells.territory import Territory
from pigeon_training.cells.tree import Split

Record = dict[str, Any]

REGIONS = "regions.json"
OFFSETS = ("vertices_of_ring", "rings_of_polygon", "polygons_of_shape")


def write_cells(folder: Path, partition: Partition) -> None:
    """Write a partition as a folder, by rename."""
    with replacing_folder(folder, REGIONS) as scratch:
        scratch.mkdir()
        fill(scratch, partition)


def fill(folder: Path, partition: Partition) -> None:
    """Write a partition's files into a folder that is there."""
    np.save(folder / "centroid_lat_lng.npy", partition.centroid_lat_lng)
    write_json(folder / "places.json", [asdict(cell.place) for cell in partition.cells])
    document: Record = {
        "cells": [asdict(cell) for cell in partition.cells],
        "regions": [list(vars(region).values()) for region in partition.regions],
        "roots": partition.roots.tolist(),
        "splits": [{"seeds": s.seed_vectors.tolist(), "branch": s.branch.tolist()} for s in partition.splits],
        "land": None,
    }
    if isinstance(partition.land, Territory):
        document["land"] = "polygons"
        _write_land(folder / "land.npz", partition.land)
    elif isinstance(partition.land, (Rectangles, Squares)):
        document["land"] = {type(partition.land).__name__: partition.land.to_json()}
    write_json(folder / REGIONS, document)


def read_cells(folder: Path) -> Partition:
    """Read what ``write_cells`` wrote. Raises InputError where it is not there or not whole."""
    try:
        record = json.loads((folder / REGIONS).read_text(encoding="utf-8"))
        regions = tuple(Region(*names) for names in record["regions"])
        return Partition(
            tuple(_cell(cell) for cell in record["cells"]),
            regions,
            np.array(record["roots"], np.int64),
            tuple(Split(np.array(s["seeds"], np.float64), np.array(s["branch"], np.int64)) for s in record["splits"]),
            _land(folder, record["land"], regions),
        )
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise InputError(f"{folder}: expected geocells, {error}; make them with: pigeon-edge train cells") from error


def _land(folder: Path, record: str | Record | None, regions: tuple[Region, ...]) -> Land | None:
    if record is None:
        return None
    if isinstance(record, str):
        return _read_land(folder / "land.npz", regions)
    if "Squares" in record:
        return Squares.from_json(record["Squares"])
    return Rectangles.from_json(record["Rectangles"])


def _write_land(path: Path, land: Territory) -> None:
    import shapely

    parts = [shapely.multipolygons(shapely.get_parts(shape)) for shape in land.geometry]
    _, lng_lat, offsets = shapely.to_ragged_array(np.array(parts, object))
    ends = dict(zip(OFFSETS, offsets, strict=True))
    links = {"level": land.level, "parent": land.parent, "region": land.region}
    np.savez_compressed(path, allow_pickle=False, lng_lat=lng_lat, **ends, **links)


def _read_land(path: Path, regions: tuple[Region, ...]) -> Territory:
    import shapely

    with np.load(path, allow_pickle=False) as file:
        offsets = tuple(file[name] for name in OFFSETS)
        shapes = shapely.from_ragged_array(shapely.GeometryType.MULTIPOLYGON, file["lng_lat"], offsets)
        return Territory(regions, np.array(shapes, object), file["level"], file["parent"], file["region"])


def _cell(record: Record) -> Geocell:
    lat, lng = record["centroid_lat_lng"]
    names = {key: str(record[key]) for key in ("id", "country_code", "country")}
    regions, districts = tuple(record["regions"]), tuple(record["districts"])
    return Geocell(**names, regions=regions, districts=districts, size=int(record["size"]), centroid_lat_lng=(lat, lng))
