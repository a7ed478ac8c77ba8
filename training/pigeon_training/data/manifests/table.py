"""A manifest with all its columns, CSV or Parquet, as text: what stages pass on that do not know every column."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from pigeon_edge.errors import InputError
from pigeon_edge.files import replacing
from pigeon_edge.geodesy import Floats
from pigeon_edge.manifest import is_parquet

Table: TypeAlias = pa.Table

REQUIRED = ("path", "lat", "lng")


def read_table(path: Path) -> Table:
    """Read every column as text, missing values as empty. Raises InputError where ``path, lat, lng`` are not there."""
    try:
        table = pa.parquet.read_table(path) if is_parquet(path) else _read_csv(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: expected a manifest (CSV or Parquet), {' '.join(str(error).split())}") from error
    missing = [column for column in REQUIRED if column not in table.column_names]
    if missing:
        raise InputError(f"{path}: expected columns path, lat, lng, found {', '.join(table.column_names)}")
    columns = [pc.fill_null(pc.cast(column, pa.string()), "") for column in table.columns]
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


def write_table(path: Path, table: Table) -> None:
    """Write a table by rename, as Parquet or as CSV by the name's ending."""
    with replacing(path) as scratch:
        if is_parquet(path):
            pa.parquet.write_table(table, scratch)
        else:
            _write_csv(scratch, table)


def lat_lng_of(table: Table) -> Floats:
    """Return coordinates (N, 2); NaN for a text that is no number."""
    return np.column_stack([_numbers(table, "lat"), _numbers(table, "lng")])


def texts_of(table: Table, column: str) -> list[str]:
    """Return a column's texts (N,); empty ones where the table has no such column."""
    found: list[str] = table[column].to_pylist() if column in table.column_names else [""] * table.num_rows
    return found


def with_columns(table: Table, columns: Mapping[str, Sequence[str]]) -> Table:
    """Return the table with columns of text put in place of those of the same name, or after the last."""
    for name, values in columns.items():
        array = pa.array(values, pa.string())
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, array)
        else:
            table = table.append_column(name, array)
    return table


def moved_paths(table: Table, folder: Path, target: Path) -> Table:
    """Return a table whose relative paths, written for a manifest in ``folder``, are right for one in ``target``."""
    here, there = folder.resolve(), target.resolve()
    if here == there:
        return table
    way = os.path.relpath(here, there)
    return with_columns(table, {"path": [_joined(way, path) for path in texts_of(table, "path")]})


def _joined(way: str, path: str) -> str:
    return Path(os.path.normpath(Path(way, path))).as_posix() if path else ""


def _read_csv(path: Path) -> Table:
    with pa.csv.open_csv(path, parse_options=pa.csv.ParseOptions(newlines_in_values=True)) as reader:
        names = reader.schema.names
    options = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    return pa.csv.read_csv(path, parse_options=pa.csv.ParseOptions(newlines_in_values=True), convert_options=options)


def _write_csv(path: Path, table: Table) -> None:
    """Write as the project's other manifests are: pyarrow would put quotes round every text."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        for part in table.to_batches():
            writer.writerows(zip(*(column.to_pylist() for column in part.columns), strict=True))


def _numbers(table: Table, column: str) -> Floats:
    def number(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return float("nan")

    return np.array([number(text) for text in table[column].to_pylist()], np.float64)
