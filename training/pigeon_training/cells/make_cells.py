"""The stage ``train cells``: a manifest, and boundaries where there are some, in; a folder of geocells out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pigeon_edge.cli.console import progress
from pigeon_edge.files import replacing_folder, write_json
from pigeon_edge.manifest import PhotoRow, Split, lat_lng_of_rows
from pigeon_training.cells.report import report_of, summary
from pigeon_training.cells.semantic import Made, cells_of_land, cells_of_names
from pigeon_training.cells.store import REGIONS, fill
from pigeon_training.data.dataset import read_split
from pigeon_training.presets import CellPreset

Say = Callable[[str], None]


def make_cells(manifest: Path, boundaries: Sequence[Path], preset: CellPreset, out: Path, say: Say) -> None:
    """Make geocells of the training split; write them with a report, shapes and a map.

    Without boundaries the regions that the manifest names serve, and there are no shapes.
    """
    with _told("read the manifest", say):
        rows = read_split(manifest, Split.TRAIN)
    if boundaries:
        _from_boundaries(rows, boundaries, preset, out, say)
    else:
        _from_names(rows, preset, out, say)


def _from_names(rows: Sequence[PhotoRow], preset: CellPreset, out: Path, say: Say) -> None:
    made = cells_of_names(rows, preset, _watch("parts"))
    from pigeon_training.cells.map_picture import map_of_points

    with _told("drew the map", say):
        picture = map_of_points(made.partition, lat_lng_of_rows(rows), made.partition.cell_of_rows(rows))
    with replacing_folder(out, REGIONS) as scratch:
        scratch.mkdir()
        fill(scratch, made.partition)
        picture.save(scratch / "map.png", optimize=True)
        _report(made, preset, scratch, say)


def _from_boundaries(
    rows: Sequence[PhotoRow], boundaries: Sequence[Path], preset: CellPreset, out: Path, say: Say
) -> None:
    from pigeon_training.cells import geojson, linking, map_picture, shapes
    from pigeon_training.data.geography.boundaries import read_boundaries

    with _told("read the boundaries", say):
        territory = linking.territory_of([read_boundaries(path) for path in boundaries])
    with _told("made the geocells", say):
        made = cells_of_land(lat_lng_of_rows(rows), territory, preset, _watch("parts"))
    with _told("cut the shapes", say):
        areas = shapes.shapes_of(made.partition, territory, _watch("parts"))
    with replacing_folder(out, REGIONS) as scratch:
        scratch.mkdir()
        fill(scratch, made.partition)
        geojson.write_geojson(scratch / "shapes.geojson", made.partition, areas)
        with _told("drew the map", say):
            map_picture.map_of_shapes(made.partition, areas).save(scratch / "map.png", optimize=True)
        _report(made, preset, scratch, say)


def _report(made: Made, preset: CellPreset, folder: Path, say: Say) -> None:
    write_json(folder / "report.json", report_of(made, preset))
    for line in summary(made, preset):
        say(f"pigeon-edge: {line}")


def _watch(unit: str) -> Callable[[Sequence[int]], Iterator[int]]:
    return lambda numbers: progress(numbers, len(numbers), unit)


@contextmanager
def _told(what: str, say: Say) -> Iterator[None]:
    start = time.perf_counter()
    yield
    say(f"pigeon-edge: {what} in {time.perf_counter() - start:.1f} s")
