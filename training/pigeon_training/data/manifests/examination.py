"""Everything that is to be known of a manifest before training on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pigeon_edge.answer.confidence import FEWEST_PLACES
from pigeon_edge.manifest import PhotoRow, Split, author_disjoint
from pigeon_training.data.manifests.bad_rows import BadRow, bad_coordinates, bad_photographs, first_defects, report_of
from pigeon_training.data.manifests.contamination import Contamination, contamination
from pigeon_training.data.manifests.table import Table, lat_lng_of, read_table, texts_of
from pigeon_training.data.shards import torn_shards

Watch = Callable[[Iterable[BadRow | None], int], Iterable[BadRow | None]]


@dataclass(frozen=True, eq=False)
class Examination:
    """Bad rows, rows of a benchmark (by number), the other rows as a table, and how they fall into splits.

    ``torn`` has what is wrong with each shard that cannot be opened, and how many rows it costs.
    """

    total: int
    bad: list[BadRow]
    torn: Counter[str]
    contamination: Contamination
    clean: Table
    splits: Counter[Split]
    places: Counter[Split]
    largest_group: int

    def report(self) -> list[str]:
        """Return what a reader wants to know, a fact a line."""
        shares = ", ".join(f"{split.value} {self.splits[split]:,}" for split in Split)
        torn = [f"{count:>9,} rows: {reason}" for reason, count in self.torn.most_common()]
        lines = [*report_of(self.bad, self.total), *torn, *self.contamination.report()]
        lines.append(f"splits of the rest: {shares}")
        lines.append(f"places of them: {', '.join(f'{split.value} {self.places[split]:,}' for split in Split)}")
        lines += self._too_few_places()
        if 2 * self.largest_group > self.clean.num_rows > self.largest_group:
            lines.append(
                f"{self.largest_group:,} rows hang together by places and authors and fall into one split; "
                "name their places more finely, or leave the authors out"
            )
        return lines

    def _too_few_places(self) -> list[str]:
        """Return a line where stages at the end of the way would refuse so few places, so that it is known first."""
        held_out = {split: self.places[split] for split in (Split.VALIDATION, Split.TEST)}
        if min(held_out.values()) >= FEWEST_PLACES:
            return []
        needed = FEWEST_PLACES * 20  # a twentieth of the places is validation
        return [
            f"`calibrate confidence` needs {FEWEST_PLACES} places of validation and of test each, about {needed} in "
            "all: without them radii promise nothing"
        ]


def examine(manifest: Path, benchmarks: Sequence[Path], watch: Watch) -> Examination:
    """Examine a manifest, opening every photograph's header. Raises InputError where a manifest cannot be read."""
    table = read_table(manifest)
    rows = _loose_rows(manifest, table)
    paths = [row.path if text else None for row, text in zip(rows, texts_of(table, "path"), strict=True)]
    unreadable = [bad for bad in watch(bad_photographs(paths), len(paths)) if bad]
    torn = torn_shards(path for row in unreadable if (path := paths[row.number]))
    bad = first_defects(bad_coordinates(lat_lng_of(table)), unreadable)
    others = [row for path in benchmarks for row in _loose_rows(path, read_table(path))]
    shared = contamination(rows, others)
    kept = np.setdiff1d(np.arange(len(rows)), [*(row.number for row in bad), *shared.rows]).astype(np.int64)
    good = author_disjoint([rows[number] for number in kept])
    groups = Counter(row.split_group or row.place_id for row in good)
    largest = max(groups.values(), default=0)
    splits = Counter(row.split for row in good)
    places = Counter(split for split, _ in {(row.split, row.place_id) for row in good})
    return Examination(len(rows), bad, torn, shared, table.take(kept), splits, places, largest)


def _loose_rows(manifest: Path, table: Table) -> list[PhotoRow]:
    """Return rows as they are, bad coordinates included: enough to compare photographs, authors and places."""
    columns = (texts_of(table, name) for name in ("path", "place_id", "author"))
    return [
        PhotoRow(manifest.parent / path, float(lat), float(lng), place_id or path, author=author)
        for path, place_id, author, (lat, lng) in zip(*columns, lat_lng_of(table), strict=True)
    ]
