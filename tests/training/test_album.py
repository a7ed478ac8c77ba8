"""The planet's photographs as files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pigeon_edge.images.photograph import read_gps
from pigeon_edge.manifest import PhotoRow, read_manifest
from pigeon_training.planet.album import _photograph, render_album
from pigeon_training.planet.world import make_world


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Return a folder of photographs of the planet: eight places, 32 files."""
    folder = tmp_path_factory.mktemp("album") / "photographs"
    assert render_album(folder, 8, 5, 32) == 32
    return folder


def test_every_photograph_of_the_manifest_is_there_and_no_other(album):
    rows = read_manifest(album / "manifest.csv")
    assert sorted(row.path for row in rows) == sorted((album / "images").rglob("*.jpg"))
    for row in rows:
        with Image.open(row.path) as image:
            assert (image.format, image.size) == ("JPEG", (32, 32))


def test_places_are_photographed_in_four_directions(album):
    rows = read_manifest(album / "manifest.csv")
    for place in {row.place_id for row in rows}:
        own = [row for row in rows if row.place_id == place]
        headings = sorted((row.heading_deg - own[0].heading_deg) % 360 for row in own)
        assert headings == pytest.approx([0, 90, 180, 270])
        assert len({(row.lat, row.lng, row.country, row.admin1, row.month) for row in own}) == 1


def test_rows_name_country_and_region(album):
    assert all(row.country_code and row.country and row.admin1 for row in read_manifest(album / "manifest.csv"))


def test_exif_says_where_the_manifest_says(album):
    for row in read_manifest(album / "manifest.csv"):
        np.testing.assert_allclose(read_gps(row.path), (row.lat, row.lng), atol=1e-4)


@pytest.mark.parametrize("north", [1, -1])
@pytest.mark.parametrize("east", [1, -1])
def test_exif_holds_in_every_hemisphere(tmp_path, north, east):
    world = make_world(5)
    for number, (lat, lng) in enumerate([(12.345678, 98.765432), (0.000123, 179.999999), (59.999999, 0.016666)]):
        row = PhotoRow(tmp_path / f"{number}.jpg", north * lat, east * lng, "p", 6, 0.0)
        _photograph(world, tmp_path, 5, 32, number, row)
        np.testing.assert_allclose(read_gps(row.path), (row.lat, row.lng), atol=1e-4)
        assert np.sign(read_gps(row.path)).tolist() == [north, east]


def test_same_seed_gives_the_same_manifest_and_photographs(album, tmp_path):
    render_album(tmp_path / "again", 8, 5, 32)
    files = sorted(path.relative_to(album) for path in album.rglob("*") if path.is_file())
    assert len(files) == 33
    assert all((tmp_path / "again" / file).read_bytes() == (album / file).read_bytes() for file in files)


def test_another_seed_gives_another_manifest(album, tmp_path):
    render_album(tmp_path / "other", 8, 6, 32)
    assert (tmp_path / "other" / "manifest.csv").read_bytes() != (album / "manifest.csv").read_bytes()
