"""The stage ``train gallery``: manifest, geocells and the graph that ships in, a gallery folder out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pigeon_edge.encoders import open_graph
from pigeon_edge.gallery_files import write_gallery
from pigeon_edge.photo_manifest import PhotoRow, Split, lat_lng_of_rows
from pigeon_training.cells.store import read_cells
from pigeon_training.dataset import read_split
from pigeon_training.embed import embed, spec_of_graph
from pigeon_training.location_clusters import cluster
from pigeon_training.presets import LocationPreset


def gallery_of_manifest(
    manifest: Path, cells: Path, encoder: Path, out: Path, preset: LocationPreset, per_place: int
) -> tuple[int, int]:
    """Write the gallery of the training split; return how many photographs and location clusters it holds."""
    geocells = read_cells(cells)
    rows = _first_of_each_place(read_split(manifest, Split.TRAIN), per_place)
    lat_lng = lat_lng_of_rows(rows)
    clusters = cluster(lat_lng, geocells.cell_of_rows(rows), len(geocells), preset)
    write_gallery(out, embed(rows, open_graph(encoder), spec_of_graph(encoder)), lat_lng, clusters)
    return len(rows), int(clusters.cell_offsets[-1])


def _first_of_each_place(rows: Sequence[PhotoRow], count: int) -> list[PhotoRow]:
    seen: Counter[str] = Counter()
    kept = []
    for row in rows:
        seen[row.place_id] += 1
        if seen[row.place_id] <= count:
            kept.append(row)
    return kept
