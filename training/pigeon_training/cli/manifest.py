"""``pigeon-edge train manifest``: manifests made of published data sets, examined, joined, and of views of strips."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pigeon_edge.cli.console import progress, say
from pigeon_edge.cli.group import command_group, examples

if TYPE_CHECKING:
    from pigeon_training.data.manifests.views import Cut

app = command_group("Make manifests of published data sets, examine and join them, cut views out of panoramas.")

NewFolderOption = Annotated[Path, typer.Option("--out", help="A new folder for the views and their manifest.csv.")]


class Kind(str, Enum):
    """A data set whose layout is known, see ``data/manifests/layouts.py``; or one's own photographs."""

    OSV5M = "osv5m"
    OSV5M_TEST = "osv5m-test"
    MP16 = "mp16"
    IM2GPS = "im2gps"
    IM2GPS3K = "im2gps3k"
    YFCC4K = "yfcc4k"
    YFCC26K = "yfcc26k"
    GWS15K = "gws15k"
    PHOTOS = "photos"


@app.command(
    "import",
    epilog=examples(
        "pigeon-edge train manifest import osv5m data/osv5m --out data/osv5m/manifest.csv",
        "pigeon-edge train manifest import im2gps3k data/im2gps3k --out im2gps3k.csv",
        "pigeon-edge train manifest import photos ~/Pictures --out pictures.csv",
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
    """Make a manifest of a published data set, or of your own photographs.

    Of "photos", those count that carry a position. Rows that cannot be used are counted and left out.
    """
    if kind is Kind.PHOTOS:
        _import_photos(folder, out)
        return
    from pigeon_edge.errors import InputError
    from pigeon_training.data.manifests.bad_rows import report_of
    from pigeon_training.data.manifests.importing import import_dataset
    from pigeon_training.data.manifests.layouts import LAYOUTS
    from pigeon_training.data.manifests.table import moved_paths, write_table

    imported = import_dataset(LAYOUTS[kind.value], folder)
    for line in report_of(imported.bad, imported.total):
        say(f"pigeon-edge: {line}")
    if not imported.table.num_rows:
        raise InputError(f"{folder}: not one of {imported.total} rows can be used; are the photographs there?")
    write_table(out, moved_paths(imported.table, folder, out.parent))
    say(f"pigeon-edge: {LAYOUTS[kind.value].title}: {imported.table.num_rows:,} photographs in {out}")


def _import_photos(folder: Path, out: Path) -> None:
    from pigeon_edge.errors import InputError
    from pigeon_training.data.manifests.own_photographs import import_photographs
    from pigeon_training.data.manifests.table import moved_paths, write_table

    imported = import_photographs(folder, lambda found, total: progress(found, total, "photographs"))
    for line in imported.scan.words():
        say(f"pigeon-edge: {line}")
    for reason, count in imported.left_out.most_common():
        say(f"pigeon-edge: {count:>9,} photographs: {reason}")
    if not imported.table.num_rows:
        raise InputError(f"{folder}: expected photographs with GPS in EXIF or XMP, found none that has it")
    write_table(out, moved_paths(imported.table, folder, out.parent))
    places = len(set(imported.table["place_id"].to_pylist()))
    say(f"pigeon-edge: {imported.table.num_rows:,} photographs of {places:,} places in {out}")


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
    from pigeon_training.data.manifests.examination import examine
    from pigeon_training.data.manifests.table import moved_paths, write_table

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


@app.command(
    epilog=examples(
        "pigeon-edge train manifest join flickr.csv landmarks/manifest.parquet --out joined.csv",
        "pigeon-edge train gallery --manifest joined.csv --cells cells --encoder encoder.onnx --out gallery",
    )
)
def join(
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="Two manifests or more.")],
    out: Annotated[Path, typer.Option("--out", help="The manifest, .csv or .parquet.")],
) -> None:
    """Make one manifest of several, of photographs in different folders; a column source names each row's manifest.

    Places keep their names and so their split; one name at two places far apart is made two. Authors of one name are
    one. A photograph that an earlier row names is left out.
    """
    from pigeon_training.data.manifests.joining import join_manifests
    from pigeon_training.data.manifests.table import write_table

    joined = join_manifests(manifests, out)
    write_table(out, joined.table)
    for source, count in joined.rows.items():
        say(f"pigeon-edge: {count:>9,} rows of {source}")
    if joined.duplicates:
        say(f"pigeon-edge: {joined.duplicates:>9,} rows left out: an earlier row names their photograph")
    if joined.renamed_places:
        say(f"pigeon-edge: {joined.renamed_places:>9,} places renamed: another place has their name")
    say(f"pigeon-edge: {joined.table.num_rows:,} rows in {out}")


@app.command(
    epilog=examples(
        "pigeon-edge train manifest views strips.csv --views 5 --crop-px 385 --out views",
        "pigeon-edge train manifest views street.csv --views 1 --crop-fov-from 96 --crop-fov-to 90 --out cropped",
    )
)
def views(
    strips: Annotated[Path, typer.Argument(metavar="STRIPS", help="The manifest of the strips, CSV or Parquet.")],
    count: Annotated[int, typer.Option("--views", min=1, help="Views of a strip; 1: a photograph, to be cropped.")],
    out: NewFolderOption,
    crop_px: Annotated[
        int | None, typer.Option("--crop-px", min=1, help="Crop views to the square of this side in their middle.")
    ] = None,
    crop_fov_from: Annotated[
        float | None, typer.Option("--crop-fov-from", help="The angle that a view spans across, in degrees.")
    ] = None,
    crop_fov_to: Annotated[
        float | None, typer.Option("--crop-fov-to", help="Crop views to this angle across, in degrees.")
    ] = None,
) -> None:
    """Cut strips of flat views, side by side, into a photograph a view.

    The views of a strip are of one width and make a full turn to the right; heading_deg of its row is that of the
    first view. Ends with 3 where strips cannot be read, or have another size.
    """
    from pigeon_training.data.manifests.strips import crop_of, cut_strip
    from pigeon_training.data.manifests.views import cut_views

    crop = crop_of(crop_px, crop_fov_from, crop_fov_to)
    cut = cut_views(
        strips,
        out,
        lambda strip: [crop(view) for view in cut_strip(strip, count)],
        count,
        lambda done, total: progress(done, total, "strips"),
    )
    _tell_cut(cut, out)


@app.command(
    epilog=examples("pigeon-edge train manifest panoramas spheres.csv --views 4 --fov-deg 90 --size-px 512 --out views")
)
def panoramas(
    spheres: Annotated[Path, typer.Argument(metavar="PANORAMAS", help="Their manifest, CSV or Parquet.")],
    out: NewFolderOption,
    count: Annotated[int, typer.Option("--views", min=1, help="Views of a panorama, a full turn to the right.")] = 4,
    fov_deg: Annotated[float, typer.Option("--fov-deg", help="The angle that a view spans across, in degrees.")] = 90.0,
    size_px: Annotated[int, typer.Option("--size-px", min=1, help="The width and height of a view.")] = 512,
) -> None:
    """Make flat views of equirectangular panoramas, as a level camera in their middle would take them.

    heading_deg of a row is that of the panorama's middle column (PoseHeadingDegrees of Google's photo spheres) and of
    the first view. Ends with 3 where panoramas cannot be read, or are not twice as wide as high.
    """
    from pigeon_training.data.manifests.panoramas import Pinhole, panorama_views
    from pigeon_training.data.manifests.views import cut_views

    camera = Pinhole(size_px, fov_deg)
    cut = cut_views(
        spheres,
        out,
        lambda panorama: panorama_views(panorama, count, camera),
        count,
        lambda done, total: progress(done, total, "panoramas"),
    )
    _tell_cut(cut, out)


def _tell_cut(cut: Cut, out: Path) -> None:
    """Say what was made. Raises PartialFailureError where there are no views of some strips."""
    from pigeon_edge.errors import PartialFailureError

    say(f"pigeon-edge: {cut.views:,} views in {out / 'manifest.csv'}")
    if cut.without_heading:
        say(
            f"pigeon-edge: {cut.without_heading:,} rows have no heading_deg: their views have none either, and stay "
            "photographs of their own in --panoramas"
        )
    if cut.reasons:
        raise PartialFailureError(
            f"{len(cut.reasons):,} have no views, such as {cut.reasons[0]}; see {out / 'unreadable.csv'}"
        )
