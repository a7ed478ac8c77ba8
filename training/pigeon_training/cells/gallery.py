"""The stage ``train gallery``: manifest, geocells and the graph that ships in, a gallery folder out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pigeon_edge.answer.encoding import unit
from pigeon_edge.bundle.gallery_writer import CODES, Codes, write_gallery
from pigeon_edge.cli.console import progress
from pigeon_edge.errors import PartialFailureError
from pigeon_edge.manifest import PhotoRow, Split, lat_lng_of_rows
from pigeon_training.cells.location_clusters import cluster
from pigeon_training.cells.store import read_cells
from pigeon_training.data.dataset import read_split
from pigeon_training.embedding.embedder import chunks_of, embedded, graph_embedder, left_out
from pigeon_training.presets import LocationPreset


def gallery_of_manifest(
    manifest: Path,
    cells: Path,
    encoder: Path,
    out: Path,
    preset: LocationPreset,
    per_place: int,
    codes: Codes = CODES["full"],
) -> tuple[int, int]:
    """Write the gallery of the training split; return how many photographs and location clusters it holds.

    Raises PartialFailureError, once it is written, where photographs could not be read and are left out.
    """
    geocells = read_cells(cells)
    chosen = _first_of_each_place(read_split(manifest, Split.TRAIN), per_place)
    chunks = list(progress(embedded(chosen, graph_embedder(encoder)), chunks_of(len(chosen)), "chunks"))
    reasons = [reason for chunk in chunks for reason in chunk.unreadable.values()]
    rows = [row for chunk in chunks for row in chunk.rows]
    lat_lng = lat_lng_of_rows(rows)
    clusters = cluster(lat_lng, geocells.cell_of_rows(rows), len(geocells), preset)
    write_gallery(out, unit(np.concatenate([chunk.embedding for chunk in chunks])), lat_lng, clusters, codes)
    if reasons:
        raise PartialFailureError(f"{out} holds {len(rows)} photographs; {left_out(reasons)}")
    return len(rows), int(clusters.cell_offsets[-1])


def _first_of_each_place(rows: Sequence[PhotoRow], count: int) -> list[PhotoRow]:
    seen: Counter[str] = Counter()
    kept = []
    for row in rows:
        seen[row.place_id] += 1
        if seen[row.place_id] <= count:
            kept.append(row)
    return kept
