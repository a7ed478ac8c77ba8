"""Rectangles and squares, geocells on disk, the command, and real boundaries."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import haversine_km, lat_lng_of, spherical_mean, unit_vectors
from pigeon_edge.manifest import PhotoRow, lat_lng_of_rows
from pigeon_training.cells.baselines import cells_of_rectangles, cells_of_squares
from pigeon_training.cells.covering import covering
from pigeon_training.cells.linking import territory_of
from pigeon_training.cells.semantic import cells_of_land
from pigeon_training.cells.squares import keys, middles
from pigeon_training.cells.store import read_cells, write_cells
from pigeon_training.cli import app
from pigeon_training.data.geography.boundaries import read_boundaries
from pigeon_training.presets import CELL_PRESETS

DATA = Path(__file__).parents[3] / "shared" / "data"


def rows_at(lat_lng, country="Aland"):
    return [
        PhotoRow(Path(f"{n}.jpg"), float(lat), float(lng), f"p{n}", country=country, admin1=f"R{n % 3}")
        for n, (lat, lng) in enumerate(lat_lng)
    ]


def sphere(count, seed=0):
    return lat_lng_of(np.random.default_rng(seed).normal(size=(count, 3)))


@pytest.fixture(scope="module")
def town_and_world():
    near = np.random.default_rng(1).normal((48, 2), 0.5, (300, 2))
    return rows_at(np.vstack([near, sphere(300)]))


@pytest.mark.parametrize("kind", [cells_of_rectangles, cells_of_squares])
@given(points=st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_baselines_put_every_point_into_one_cell(town_and_world, kind, points):
    partition = kind(town_and_world, 10, 40)
    together = partition.cell_of(points)
    assert ((together >= 0) & (together < len(partition))).all()
    assert together.tolist() == [partition.cell_of([point])[0] for point in points]


@pytest.mark.parametrize("kind", [cells_of_rectangles, cells_of_squares])
def test_baselines_count_their_photographs_and_are_read_as_written(tmp_path, town_and_world, kind):
    partition = kind(town_and_world, 10, 40)
    member = partition.cell_of_rows(town_and_world)
    assert np.bincount(member, minlength=len(partition)).tolist() == [cell.size for cell in partition.cells]
    number = 3
    own = lat_lng_of_rows(town_and_world)[member == number]
    assert haversine_km(partition.cells[number].centroid_lat_lng, spherical_mean(own)) < 1e-6
    write_cells(tmp_path / "cells", partition)
    again = read_cells(tmp_path / "cells")
    probe = sphere(500, seed=4)
    assert again.cells == partition.cells
    assert again.cell_of(probe).tolist() == partition.cell_of(probe).tolist()


def test_rectangles_hold_about_equal_numbers(town_and_world):
    sizes = [cell.size for cell in cells_of_rectangles(town_and_world, 10, 40).cells]
    assert max(sizes) <= 40
    assert min(sizes) >= 18


def test_rectangle_of_points_at_one_coordinate_is_not_divided():
    assert [cell.size for cell in cells_of_rectangles(rows_at([(1.0, 2.0)] * 50), 5, 10).cells] == [50]


def test_squares_are_small_where_photographs_are_many(town_and_world):
    partition = cells_of_squares(town_and_world, 10, 40)
    level = partition.land.key >> 51
    dense, sparse = (
        level[np.isin(partition.land.region, partition.cell_of([at]))].max() for at in ((48, 2), (-40, -120))
    )
    assert dense >= 5 > sparse
    assert max(cell.size for cell in partition.cells) <= 40
    assert min(cell.size for cell in partition.cells) >= 10


@pytest.mark.parametrize("level", [0, 1, 3, 7])
def test_middle_of_a_square_lies_in_it_and_squares_are_nearly_equal(level):
    vectors = unit_vectors(sphere(60_000, seed=level))
    key = keys(vectors, level)
    assert (keys(middles(key), level) == key).all()
    counts = np.unique(key, return_counts=True)[1]
    assert len(counts) == 6 * 4**level or level == 7
    assert level > 3 or counts.max() / counts.min() < 3.0


def test_baselines_need_photographs():
    for kind in (cells_of_rectangles, cells_of_squares):
        with pytest.raises(InputError, match="expected photographs to make geocells of, found none"):
            kind([], 1, 2)


def write_world(folder):
    """Two countries beside each other, one with two regions; compressed and plain."""

    def feature(west, east, **names):
        return {
            "type": "Feature",
            "properties": names,
            "geometry": json.loads(shapely.to_geojson(shapely.box(west, 0, east, 9))),
        }

    countries = [
        feature(0, 10, ADMIN="Aland", ISO_A2="AL", ADM0_A3="ALD"),
        feature(10, 20, ADMIN="Bland", ISO_A2="-99", ADM0_A3="BLD"),
    ]
    parts = [
        feature(west, west + 5, adm1_code="A", iso_a2="AL", name=name) for west, name in ((0, "Left"), (5, "Right"))
    ]
    files = folder / "countries.geojson", folder / "admin1.geojson.gz"
    files[0].write_text(json.dumps({"type": "FeatureCollection", "features": countries}))
    files[1].write_bytes(gzip.compress(json.dumps({"type": "FeatureCollection", "features": parts}).encode()))
    return files


def manifest_of(folder, count=400):
    rng = np.random.default_rng(3)
    lines = [f"{n}.jpg,{lat:.5f},{lng:.5f}" for n, (lat, lng) in enumerate(rng.uniform((0, 0), (9, 20), (count, 2)))]
    (folder / "photos.csv").write_text("\n".join(["path,lat,lng", *lines]))
    return folder / "photos.csv"


def run(*arguments):
    return CliRunner().invoke(app, ["cells", *map(str, arguments)])


def test_command_writes_cells_report_shapes_and_a_map(tmp_path):
    countries, parts = write_world(tmp_path)
    out = tmp_path / "cells"
    options = ("--manifest", manifest_of(tmp_path), "--preset", "pigeon", "--out", out)
    result = run("--boundaries", countries, "--boundaries", parts, *options)
    assert result.exit_code == 0
    assert {path.name for path in out.iterdir()} == {
        "centroid_lat_lng.npy", "places.json", "regions.json", "land.npz", "shapes.geojson", "report.json", "map.png",
    }  # fmt: skip
    assert "geocells of 3" in result.stderr
    assert "cut the shapes in" in result.stderr
    report = json.loads((out / "report.json").read_text())
    shapes = json.loads((out / "shapes.geojson").read_text())["features"]
    places = json.loads((out / "places.json").read_text())
    assert report["cells"] == len(shapes) == len(places) == len(np.load(out / "centroid_lat_lng.npy"))
    assert {(place["country_code"], place["admin1"]) for place in places} == {
        ("AL", "Left"),
        ("AL", "Right"),
        ("", ""),  # its publisher's own code is none of ISO's
    }
    assert (report["too_small"], report["too_large"], report["regions"], report["countries"]) == ([], [], 3, 2)
    with Image.open(out / "map.png") as picture:
        assert picture.width == 3200
        assert len(picture.resize((320, 160)).getcolors(60_000)) > 10


def test_cells_with_boundaries_are_read_as_they_were_written(tmp_path):
    countries, parts = write_world(tmp_path)
    territory = territory_of([read_boundaries(countries), read_boundaries(parts)])
    points = np.random.default_rng(5).uniform((0, 0), (9, 20), (500, 2))
    partition = cells_of_land(points, territory, CELL_PRESETS["pigeon"]).partition
    write_cells(tmp_path / "cells", partition)
    probe = np.random.default_rng(6).uniform((-20, -30), (30, 50), (2000, 2))
    assert read_cells(tmp_path / "cells").cell_of(probe).tolist() == partition.cell_of(probe).tolist()


def test_rings_of_shapes_are_anticlockwise(tmp_path):
    countries, parts = write_world(tmp_path)
    arguments = ("--boundaries", countries, "--boundaries", parts, "--out", tmp_path / "cells")
    assert run("--manifest", manifest_of(tmp_path), *arguments).exit_code == 0
    for feature in json.loads((tmp_path / "cells" / "shapes.geojson").read_text())["features"]:
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert all(part.exterior.is_ccw for part in shape.geoms)


def test_command_without_boundaries_takes_the_manifests_names(tmp_path, album, rows_of):
    rows = [replace(row, path=Path(f"{row.admin1}{row.path.stem}.png")) for n in range(2)
            for row in rows_of(f"R{n}", 30, 10.0 * n, 5.0)]  # fmt: skip
    assert run("--manifest", album(rows), "--min-size", "5", "--out", tmp_path / "cells").exit_code == 0
    partition = read_cells(tmp_path / "cells")
    assert [cell.regions for cell in partition.cells] == [("R0",), ("R1",)]
    assert (tmp_path / "cells" / "map.png").exists()


def test_island_smaller_than_a_pixel_is_drawn():
    from pigeon_training.cells.map_picture import map_of_shapes

    cells = cells_of_rectangles(rows_at([(1.0, 1.0), (5.0, 9.0)]), 1, 1)
    shapes = np.array(
        [shapely.MultiPolygon([shapely.box(x, x, x + side, x + side)]) for x, side in ((1, 1e-5), (5, 4.0))]
    )
    picture = map_of_shapes(cells, shapes, width_px=200)
    assert picture.width == 200
    assert len(picture.getcolors(60_000)) > 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", r"x\.geojson: cannot be read as boundaries"),
        ('{"type": "FeatureCollection", "features": []}', r"x\.geojson: expected polygons of regions, found none"),
        (
            '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"country": "A"}, '
            '"geometry": {"type": "Point", "coordinates": [1, 2]}}]}',
            "found none; give a file of boundaries",
        ),
    ],
)
def test_file_that_holds_no_boundaries_is_refused(tmp_path, content, message):
    (tmp_path / "x.geojson").write_text(content)
    with pytest.raises(InputError, match=message):
        read_boundaries(tmp_path / "x.geojson")


@pytest.fixture(scope="module")
def real():
    files = [DATA / "boundaries" / f"{name}.geojson.gz" for name in ("countries_50m", "admin1")]
    if not all(file.exists() for file in files):
        pytest.skip("no real boundaries in ../shared/data beside the checkout")
    return territory_of([read_boundaries(file) for file in files])


@pytest.mark.parametrize(
    ("lat_lng", "country_code", "admin1"),
    [
        ((48.8566, 2.3522), "FR", "Paris"),
        ((55.7558, 37.6173), "RU", ""),  # the finer file has no Russia
        ((43.9424, 12.4578), "SM", None),
        ((47.1410, 9.5209), "LI", "Vaduz"),
        ((43.7384, 7.4246), "MC", None),
        ((-18.1416, 178.4419), "FJ", "Central"),
        ((-16.8, -179.97), "FJ", None),
        ((64.7337, 177.4968), "RU", None),
        ((66.2, -170.0), "RU", None),
        ((28.1, -15.4), "ES", None),
        ((-89.9, 45.0), "AQ", None),
        ((21.3069, -157.8583), "US", "Hawaii"),
    ],
)
def test_real_places_lie_in_their_regions(real, lat_lng, country_code, admin1):
    region = real.regions[real.region_of([lat_lng])[0]]
    assert region.country_code == country_code
    assert admin1 is None or region.admin1 == admin1


def test_real_boundaries_and_photographs_make_a_strict_partition(real):
    with gzip.open(DATA / "points" / "coordinates_100k.csv.gz", "rt") as file:
        points = np.loadtxt(file, delimiter=",", skiprows=1)[::20]
    made = cells_of_land(points, real, CELL_PRESETS["pigeon"])
    sizes = np.array([cell.size for cell in made.partition.cells])
    assert np.bincount(made.partition.cell_of(points), minlength=len(sizes)).tolist() == sizes.tolist()
    assert sizes.max() <= 60
    assert set(np.flatnonzero(sizes < 30).tolist()) == set(made.why)
    probe = sphere(20_000, seed=8)
    land = covering(real.geometry, probe) >= 0
    assert 0.25 < land.mean() < 0.33
    cell = made.partition.cell_of(probe[land])
    assert ((cell >= 0) & (cell < len(sizes))).all()
    photographed = {c.country_code for c in made.partition.cells}
    same = [
        made.partition.cells[c].country_code == real.regions[r].country_code
        for c, r in zip(cell, real.region_of(probe[land]), strict=True)
        if real.regions[r].country_code in photographed
    ]
    assert all(same)
