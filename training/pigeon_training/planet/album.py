"""The planet on disk: photographs with EXIF GPS, as a camera leaves them, and their manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from PIL import ExifTags, Image

from pigeon_edge.cli.console import progress
from pigeon_edge.files import replacing_folder
from pigeon_edge.manifest import PhotoRow, lat_lng_of_rows, write_manifest
from pigeon_training.data.manifests.table import read_table, with_columns, write_table
from pigeon_training.planet import World, make_world, render, sample_places
from pigeon_training.planet.facts import facts_of_places

MANIFEST = "manifest.csv"
HEADINGS_DEG = (0, 90, 180, 270)
JPEG_QUALITY = 88
CHUNK = 64


def render_album(out: Path, place_count: int, seed: int, size_px: int) -> int:
    """Write ``images/`` and ``manifest.csv`` into a new folder, by rename; return the number of photographs."""
    world = make_world(seed)
    rows = list(_rows(world, place_count, seed))
    with replacing_folder(out, MANIFEST) as scratch, ProcessPoolExecutor(os.cpu_count()) as pool:
        for folder in {row.path.parent for row in rows}:
            (scratch / folder).mkdir(parents=True)
        jobs = pool.map(partial(_photograph, world, scratch, seed, size_px), range(len(rows)), rows, chunksize=CHUNK)
        for _ in progress(jobs, len(rows), "photographs"):
            pass
        _write_manifest(scratch / MANIFEST, world, rows)
    return len(rows)


def _write_manifest(path: Path, world: World, rows: Sequence[PhotoRow]) -> None:
    write_manifest(path, (_placed(row, path.parent) for row in rows))
    write_table(path, with_columns(read_table(path), facts_of_places(world, lat_lng_of_rows(rows))))


def _rows(world: World, place_count: int, seed: int) -> Iterator[PhotoRow]:
    """Yield four photographs a place; paths are relative, in folders of a thousand places."""
    places = sample_places(world, place_count, seed)
    countries, regions = world.nation_of(places.lat_lng)
    names = world.names
    for number, place_id in enumerate(places.place_id):
        country, region = int(countries[number]), int(regions[number])
        lat, lng = places.lat_lng[number]
        for turn_deg in HEADINGS_DEG:
            heading_deg = float((places.heading_deg[number] + turn_deg) % 360)
            yield PhotoRow(
                path=Path("images", f"{number // 1000:03}", f"{place_id}-{turn_deg:03}.jpg"),
                lat=round(float(lat), 6),
                lng=round(float(lng), 6),
                place_id=str(place_id),
                month=int(places.month[number]),
                heading_deg=round(heading_deg, 1),
                country_code=names.codes[country],
                country=names.countries[country],
                admin1=names.regions[region],
            )


def _photograph(world: World, root: Path, seed: int, size_px: int, number: int, row: PhotoRow) -> None:
    scene = world.describe((row.lat, row.lng), row.month or 1, row.heading_deg or 0.0)
    image = Image.fromarray(render(scene, size_px, seed * 1_000_003 + number))
    image.save(root / row.path, quality=JPEG_QUALITY, subsampling=0, exif=_gps_exif(row.lat, row.lng))


def _placed(row: PhotoRow, root: Path) -> PhotoRow:
    return PhotoRow(**{**vars(row), "path": root / row.path})


def _gps_exif(lat: float, lng: float) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "pigeon-edge procedural planet"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = ("S" if lat < 0 else "N"), _dms(lat)
    gps[ExifTags.GPS.GPSLongitudeRef], gps[ExifTags.GPS.GPSLongitude] = ("W" if lng < 0 else "E"), _dms(lng)
    gps[ExifTags.GPS.GPSMapDatum] = "WGS-84"
    return exif


def _dms(angle_deg: float) -> tuple[float, float, float]:
    """Return degrees, minutes and seconds of an angle's size."""
    minutes, seconds = divmod(round(abs(angle_deg) * 3600, 3), 60)
    degrees, minutes = divmod(minutes, 60)
    return degrees, minutes, round(seconds, 3)
