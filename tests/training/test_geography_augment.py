"""A manifest with what geography says of every row, and the commands that make, examine and place manifests."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from typer.testing import CliRunner

from pigeon_edge.errors import GateError, InputError, PartialFailureError, UsageError
from pigeon_edge.manifest import read_manifest
from pigeon_training.cli import app
from pigeon_training.data.geography.antimeridian import into_world
from pigeon_training.data.geography.augment import names_at
from pigeon_training.data.geography.boundaries import Boundaries, read_boundaries
from pigeon_training.data.geography.region_names import RegionName

SHARED = Path(__file__).parents[3] / "shared" / "data"


def boundaries(*regions):
    names, shapes = zip(*regions, strict=True)
    return Boundaries(tuple(RegionName(*name) for name in names), into_world(np.array(shapes, object)))


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def records(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_finest_region_names_the_row_and_coarser_ones_fill_the_gaps():
    countries = boundaries((("AA", "Aland"), shapely.box(0, 0, 10, 10)), (("BB", "Bland"), shapely.box(10, 0, 20, 10)))
    regions = boundaries((("AA", "", "West"), shapely.box(0, 0, 5, 10)))
    towns = boundaries((("AA", "", "", "Town"), shapely.box(0, 0, 1, 1)))
    points = np.array([[0.5, 0.5], [5, 2], [5, 8], [5, 15], [50, 50]], float)
    expected = {
        "country_code": ["AA", "AA", "AA", "BB", ""],
        "country": ["Aland", "Aland", "Aland", "Bland", ""],
        "admin1": ["West", "West", "", "", ""],
        "admin2": ["Town", "", "", "", ""],
    }
    assert names_at([countries, regions, towns], points) == expected
    assert names_at([towns, regions, countries], points) == expected


def test_row_never_names_a_region_of_another_country():
    # A region file without Bland: its border is near, but the row lies inside Bland.
    countries = boundaries((("AA", "Aland"), shapely.box(0, 0, 10, 10)), (("BB", "Bland"), shapely.box(10, 0, 20, 10)))
    regions = boundaries((("AA", "Aland", "West"), shapely.box(0, 0, 10, 10)))
    named = names_at([countries, regions], np.array([[5.0, 10.1], [5.0, 9.9], [10.1, 5.0]]))
    assert named["country"] == ["Bland", "Aland", "Aland"]
    assert named["admin1"] == ["", "West", "West"]


def test_country_and_region_agree_where_the_region_states_none():
    """An islet that the coarse countries leave out, of a region whose file names no country."""
    countries = boundaries((("AA", "Aland"), shapely.box(0, 0, 10, 10)), (("BB", "Bland"), shapely.box(10, 0, 20, 10)))
    west = shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(60, 50, 61, 51)])
    regions = boundaries((("", "", "West"), west), (("BB", "Bland", "East"), shapely.box(10, 0, 20, 10)))
    named = names_at([countries, regions], np.array([[50.5, 60.5], [5, 5], [5, 15]], float))
    assert named["country_code"] == ["AA", "AA", "BB"]
    assert named["country"] == ["Aland", "Aland", "Bland"]
    assert named["admin1"] == ["West", "West", "East"]


def test_codes_are_of_iso_or_empty():
    countries = boundaries(
        (("SOL", "Somaliland"), shapely.box(0, 0, 10, 10)), (("XK", "Kosovo"), shapely.box(10, 0, 20, 10)),
        (("FR", "France"), shapely.box(20, 0, 30, 10)),
    )  # fmt: skip
    named = names_at([countries], np.array([[5, 5], [5, 15], [5, 25]], float))
    assert named["country_code"] == ["", "XK", "FR"]
    assert named["country"] == ["Somaliland", "Kosovo", "France"]


@pytest.fixture
def world(tmp_path):
    """Return boundaries and a raster, and a manifest in another folder than the result's."""
    box = shapely.geometry.mapping(shapely.box(0, 0, 10, 10))
    feature = {
        "type": "Feature",
        "properties": {"GID_0": "GBR", "NAME_0": "Britain", "NAME_1": "Kent"},
        "geometry": box,
    }
    regions = {"type": "FeatureCollection", "features": [feature]}
    (tmp_path / "regions.geojson.gz").write_bytes(gzip.compress(json.dumps(regions).encode()))
    transform = Affine(10.0, 0.0, -180.0, 0.0, -10.0, 90.0)
    settings = {"driver": "GTiff", "height": 18, "width": 36, "crs": "EPSG:4326", "transform": transform}
    for name, count, kind in (("koeppen", 1, np.uint8), ("height", 1, np.int16), ("rain", 12, np.float32)):
        with rasterio.open(tmp_path / f"{name}.tif", "w", count=count, dtype=kind, nodata=0, **settings) as target:
            values = np.ones((count, 18, 36), kind) * (1 + np.arange(count, dtype=kind))[:, None, None] * 15
            values[:, 0] = 0
            target.write(values.astype(kind))
    (tmp_path / "in").mkdir()
    text = "path,lat,lng,country,note\na.jpg,5,5,Old,x\nb.jpg,-5,-5,Kept,y\n/abs/c.jpg,85,5,,z\n"
    (tmp_path / "in" / "m.csv").write_text(text)
    return tmp_path


def test_geography_command_fills_its_columns(world):
    result = run(
        "geography", "--manifest", world / "in" / "m.csv", "--boundaries", world / "regions.geojson.gz",
        "--climate", world / "koeppen.tif", "--elevation", world / "height.tif", "--precipitation", world / "rain.tif",
        "--out", world / "out" / "placed.csv",
    )  # fmt: skip
    first, second, third = records(world / "out" / "placed.csv")
    assert first == {
        "path": "../in/a.jpg", "lat": "5", "lng": "5", "country": "Britain", "note": "x", "country_code": "GB",
        "admin1": "Kent", "admin2": "", "driving_side": "left", "climate": "Cfb", "elevation_m": "15.0",
        "precipitation_mm": "97.50", "precipitation_range_mm": "165.00",
    }  # fmt: skip
    assert (second["country"], second["country_code"], second["driving_side"]) == ("Kept", "", "")
    assert (third["path"], third["climate"], third["elevation_m"], third["precipitation_mm"]) == (
        "/abs/c.jpg",
        "",
        "",
        "",
    )
    assert "        1 rows have admin1" in result.output
    assert "        2 rows have climate" in result.output
    assert [row.country for row in read_manifest(world / "out" / "placed.csv")] == ["Britain", "Kept", ""]


def test_geography_without_a_source_or_with_a_bad_one_says_so(world):
    with pytest.raises(UsageError, match="expected --boundaries or a raster"):
        run("geography", "--manifest", world / "in" / "m.csv", "--out", world / "o.csv")
    with pytest.raises(InputError, match="no such raster"):
        run(
            "geography", "--manifest", world / "in" / "m.csv", "--climate", world / "none.tif", "--out", world / "o.csv"
        )
    assert not (world / "o.csv").exists()


def test_import_and_check_commands(tmp_path, album, rows_of):
    folder = album(rows_of("North", 6, 1.0, 2.0)).parent
    lines = "".join(f"Aland-North-{number}.jpg,{number},2\n" for number in range(7))
    (folder / "gws15k.csv").write_text("path,lat,lon\n" + lines)
    made = run("manifest", "import", "gws15k", folder, "--out", tmp_path / "gws.csv")
    assert "1 rows: no such photograph" in made.output
    assert "GWS15k: 6 photographs in" in made.output
    assert "6 of 6 rows are good" in run("manifest", "check", tmp_path / "gws.csv").output

    benchmark = tmp_path / "bench.csv"
    benchmark.write_text("path,lat,lng\nphotographs/Aland-North-3.jpg,1,2\n")
    with pytest.raises(GateError, match="1 rows are of a benchmark; --out leaves them out"):
        run("manifest", "check", tmp_path / "gws.csv", "--against", benchmark)
    cleaned = run(
        "manifest", "check", tmp_path / "gws.csv", "--against", benchmark, "--out", tmp_path / "c" / "clean.csv"
    )
    assert "5 rows in" in cleaned.output
    assert all(
        row.path.is_file() and "North-3" not in row.path.name for row in read_manifest(tmp_path / "c" / "clean.csv")
    )

    (folder / "Aland-North-4.jpg").write_bytes(b"torn")
    with pytest.raises(PartialFailureError, match="1 bad rows"):
        run("manifest", "check", tmp_path / "gws.csv")
    (folder / "gws15k.csv").write_text("path,lat,lon\nx.jpg,1,2\n")
    with pytest.raises(InputError, match="not one of 1 rows can be used; are the photographs there"):
        run("manifest", "import", "gws15k", folder, "--out", tmp_path / "none.csv")


def test_real_photographs_have_their_real_countries():
    if not SHARED.is_dir():
        pytest.skip("needs the real photographs of ../shared/data")
    rows = records(SHARED / "photos" / "landmarks" / "labels.csv")
    points = np.array([(row["lat"], row["lon"]) for row in rows], float)
    sources = [read_boundaries(SHARED / "boundaries" / f"{name}.geojson.gz") for name in ("countries_50m", "admin1")]
    named = names_at(sources, points)
    assert named["country_code"] == [row["country"] for row in rows]
    assert sum(map(bool, named["admin1"])) >= len(rows) - 2
