"""``pigeon-edge train manifest``: published data sets into manifests, and manifests examined."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import progress, say
from pigeon_edge.cli.group import command_group, examples

app = command_group("Make manifests of published data sets, and examine them.")


class Kind(str, Enum):
    """A data set whose layout is known, see ``layouts.py``."""

    OSV5M = "osv5m"
    OSV5M_TEST = "osv5m-test"
    MP16 = "mp16"
    IM2GPS = "im2gps"
    IM2GPS3K = "im2gps3k"
    YFCC4K = "yfcc4k"
    YFCC26K = "yfcc26k"
    GWS15K = "gws15k"


@app.command(
    "import",
    epilog=examples(
        "pigeon-edge train manifest import osv5m data/osv5m --out data/osv5m/manifest.csv",
        "pigeon-edge train manifest import im2gps3k data/im2gps3k --out im2gps3k.csv",
    ),
)
def import_(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help=f"One of {', '.join(kind.value for kind in Kind)}.")],
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Where the table is, and the photographs: unpacked, or in .zip or .tar."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The manifest, .csv or .parquet.")],
) -> None:
    """Make a manifest of a published data set. Rows that cannot be used are counted and left out."""
    from pigeon_edge.errors import InputError
    from pigeon_training.manifests.bad_rows import report_of
    from pigeon_training.manifests.importing import import_dataset
    from pigeon_training.manifests.layouts import LAYOUTS
    from pigeon_training.manifests.table import moved_paths, write_table

    imported = import_dataset(LAYOUTS[kind.value], folder)
    for line in report_of(imported.bad, imported.total):
        say(f"pigeon-edge: {line}")
    if not imported.table.num_rows:
        raise InputError(f"{folder}: not one of {imported.total} rows can be used; are the photographs there?")
    write_table(out, moved_paths(imported.table, folder, out.parent))
    say(f"pigeon-edge: {LAYOUTS[kind.value].title}: {imported.table.num_rows:,} photographs in {out}")


@app.command(
    epilog=examples(
        "pigeon-edge train manifest check photos.csv",
        "pigeon-edge train manifest check photos.csv --against im2gps3k.csv --against gws15k.csv --out clean.csv",
    )
)
def check(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="CSV or Parquet: path, lat, lng, ...")],
    against: Annotated[
        list[Path] | None, typer.Option("--against", help="A benchmark's manifest; may be given several times.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the rows that are good and in no benchmark.")] = None,
) -> None:
    """Count bad rows, show the splits, and find photographs that a benchmark has too.

    Ends with 3 where rows are bad, with 7 where a benchmark's photographs are among them, unless --out drops both.
    """
    from pigeon_edge.errors import GateError, PartialFailureError
    from pigeon_training.manifests.examination import examine
    from pigeon_training.manifests.table import moved_paths, write_table

    found = examine(manifest, against or [], lambda rows, total: progress(rows, total, "photographs"))
    for line in found.report():
        say(f"pigeon-edge: {line}")
    if out:
        write_table(out, moved_paths(found.clean, manifest.parent, out.parent))
        say(f"pigeon-edge: {found.clean.num_rows:,} rows in {out}")
    elif found.contamination.rows:
        raise GateError(f"{manifest}: {len(found.contamination.rows)} rows are of a benchmark; --out leaves them out")
    elif found.bad:
        raise PartialFailureError(f"{manifest}: {len(found.bad)} bad rows; --out leaves them out")
