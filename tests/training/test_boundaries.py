"""Which region a point lies in: inside, near, at sea, across the antimeridian, at the poles; and how files name it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import destination, haversine_km
from pigeon_training.data.geography.antimeridian import into_world
from pigeon_training.data.geography.boundaries import Boundaries, read_boundaries
from pigeon_training.data.geography.region_names import RegionName

SHARED = Path(__file__).parents[3] / "shared" / "data"
LATS, LNGS = st.floats(-90, 90), st.floats(-180, 180)


def regions(*shapes):
    names = tuple(RegionName("XX", f"Country {number}") for number in range(len(shapes)))
    return Boundaries(names, into_world(np.array(shapes, object)))


def collection(path, *features):
    rows = [
        {"type": "Feature", "properties": names, "geometry": shapely.geometry.mapping(shape)}
        for names, shape in features
    ]
    text = json.dumps({"type": "FeatureCollection", "features": rows})
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture(scope="module")
def admin1():
    if not SHARED.is_dir():
        pytest.skip("needs the real boundaries of ../shared/data")
    return read_boundaries(SHARED / "boundaries" / "admin1.geojson.gz")


@pytest.fixture(scope="module")
def countries():
    if not SHARED.is_dir():
        pytest.skip("needs the real boundaries of ../shared/data")
    return read_boundaries(SHARED / "boundaries" / "countries_50m.geojson.gz")


def test_latitude_comes_first():
    east, north = regions(shapely.box(20, 0, 30, 10), shapely.box(0, 20, 10, 30)), [[25.0, 5.0], [5.0, 25.0]]
    assert east.region_of(north).tolist() == [1, 0]


def test_point_at_sea_belongs_to_the_nearest_region_within_reach():
    two = regions(shapely.box(0, 0, 1, 1), shapely.box(1.5, 0, 2.5, 1))
    assert two.region_of([[0.5, 1.2], [0.5, 1.3]]).tolist() == [0, 1]
    assert two.region_of([[0.5, 1.2], [5.0, 5.0], [np.nan, 0.5]], reach_km=20).tolist() == [-1, -1, -1]
    assert two.region_of([[0.5, 1.2]], reach_km=0).tolist() == [-1]


@pytest.mark.parametrize("reach_km", [30.0, 200.0])
def test_reach_is_kilometres_at_every_latitude(reach_km):
    for lat in (-85.0, -45.0, 0.0, 60.0, 88.0):
        box, edge = regions(shapely.box(10, lat - 1, 12, lat + 1)), [lat + 1, 11.0]
        near, far = destination(edge, 0.0, 0.98 * reach_km), destination(edge, 0.0, 1.02 * reach_km)
        assert box.region_of([near, far], reach_km).tolist() == [0, -1]


def test_nearest_is_by_great_circle_and_not_by_degrees():
    # At 80 degrees north a degree of longitude is a sixth of a degree of latitude.
    two = regions(shapely.box(0, 79, 1, 81), shapely.box(2.1, 80.3, 3, 81.5))
    point = [80.0, 2.0]
    assert haversine_km(point, [80.0, 1.0]) < haversine_km(point, [80.3, 2.1])
    assert two.region_of([point]).tolist() == [0]


def test_smaller_region_has_the_point_where_two_overlap():
    country, enclave = shapely.box(0, 0, 10, 10), shapely.box(4, 4, 5, 5)
    for shapes, expected in (((country, enclave), [1, 0]), ((enclave, country), [0, 1])):
        assert regions(*shapes).region_of([[4.5, 4.5], [1.0, 1.0]]).tolist() == expected


def test_point_on_a_common_border_is_in_one_region_and_always_the_same():
    left, right = shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)
    assert regions(left, right).region_of([[5.0, 10.0], [0.0, 10.0], [10.0, 10.0]]).tolist() == [0, 0, 0]


def jumping(west, east, low, high):
    return shapely.Polygon([(west, low), (east, low), (east, high), (west, high)])


@pytest.mark.parametrize(
    "shape",
    [
        shapely.MultiPolygon([shapely.box(177, -20, 180, -15), shapely.box(-180, -20, -178, -15)]),
        jumping(177, -178, -20, -15),
        shapely.box(177, -20, 182, -15),
        shapely.box(-183, -20, -178, -15),
    ],
    ids=["cut", "jumps", "past 180", "before -180"],
)
def test_fiji_is_one_country_however_its_file_crosses_the_antimeridian(shape):
    fiji = regions(shape)
    inside = [[-17, 179], [-17, -179], [-17, 180], [-17, -180], [-15, 180], [-17, 541]]
    assert fiji.region_of(inside, 0).tolist() == [0] * 6
    assert fiji.region_of([[-17, 170], [-17, -170], [-17, 0], [-17, 90]], 0).tolist() == [-1] * 4
    assert fiji.region_of([[-14.8, 180.0], [-17, -177.8]]).tolist() == [0, 0]
    assert np.abs(shapely.total_bounds(fiji.shapes)[[0, 2]]).max() <= 180
    assert shapely.area(fiji.shapes)[0] == pytest.approx(25)


def test_hole_across_the_antimeridian_stays_a_hole():
    ring = [(170, -30), (-170, -30), (-170, -10), (170, -10)]
    lake = [(-179, -21), (-177, -21), (-177, -19), (-179, -19)]
    islands = regions(shapely.Polygon(ring, [lake]))
    assert islands.region_of([[-20, -178], [-20, 178], [-20, -172]], 0).tolist() == [-1, 0, 0]


def test_nearest_border_may_be_across_the_antimeridian():
    assert regions(shapely.box(170, -5, 179.9, 5)).region_of([[0, -179.9]]).tolist() == [0]


def test_antarctica_holds_the_south_pole_at_every_longitude():
    coast = [(-180, -90), (180, -90), (180, -70), (60, -66), (-60, -66), (-180, -70)]
    antarctica = regions(shapely.Polygon(coast))
    assert antarctica.region_of([[-90, lng] for lng in (-180, -91, 0, 45, 180)], 0).tolist() == [0] * 5
    assert antarctica.region_of([[90, 0], [-80, 33]], 0).tolist() == [-1, 0]


def test_point_beyond_the_pole_is_near_what_lies_there():
    assert regions(shapely.box(-10, 80, 10, 89.8)).region_of([[89.9, 180.0]]).tolist() == [0]


def test_tiny_country_and_islet():
    vatican, islet = shapely.Point(12.4534, 41.9029).buffer(0.004), shapely.Point(-128.3, -24.37).buffer(0.01)
    found = regions(shapely.box(7, 37, 18, 47), vatican, islet).region_of(
        [[41.9029, 12.4534], [41.95, 12.45], [-24.4, -128.2]]
    )
    assert found.tolist() == [1, 0, 2]


def test_crossed_ring_and_empty_shape_are_mended():
    bow_tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    made = into_world(np.array([bow_tie, None, shapely.Point(1, 1), shapely.LineString([(0, 0), (1, 1)])], object))
    assert shapely.is_valid(made).all()
    assert shapely.is_empty(made).tolist() == [False, True, True, True]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LATS, LNGS), min_size=1, max_size=30))
def test_partition_of_the_world_gives_every_point_to_the_box_that_holds_it(points):
    boxes = regions(
        *(shapely.box(lng, lat, lng + 40, lat + 30) for lat in range(-90, 90, 30) for lng in range(-180, 180, 40))
    )
    found = boxes.region_of(points, 0)
    assert (found >= 0).all()
    for (lat, lng), region in zip(points, found, strict=True):
        west, south, east, north = boxes.shapes[region].bounds
        assert south <= lat <= north
        assert west - 1e-9 <= lng <= east + 1e-9 or (abs(abs(lng) - 180) < 1e-9 and 180 in {-west, east})


@settings(max_examples=40, deadline=None)
@given(LATS, LNGS, st.floats(0, 360), st.floats(1, 45))
def test_nearest_edge_agrees_with_a_dense_walk_along_every_border(lat, lng, bearing, distance_km):
    corner = np.array([max(min(lat, 87.0), -88.0), max(min(lng, 176.0), -179.0)])
    shapes = [
        shapely.box(corner[1], corner[0], corner[1] + 1, corner[0] + 1),
        shapely.box(corner[1] + 2, corner[0], corner[1] + 3, corner[0] + 1),
    ]
    point = destination(corner, bearing, distance_km)
    walks = [shapely.get_coordinates(shapely.segmentize(shape.exterior, 0.002))[:, ::-1] for shape in shapes]
    away = np.array([haversine_km(point, walk).min() for walk in walks])
    inside = [shape.covers(shapely.Point(point[1], point[0])) for shape in shapes]
    found = regions(*shapes).region_of([point])[0]
    if any(inside):
        assert found == inside.index(True)
    elif abs(away.min() - 50) > 0.5 and abs(away[0] - away[1]) > 0.5:
        assert found == (int(away.argmin()) if away.min() < 50 else -1)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"shapeGroup": "FJI", "shapeName": "Fiji", "shapeType": "ADM0"}, ("FJ", "Fiji", "", "")),
        ({"shapeGroup": "FJI", "shapeName": "Rotuma", "shapeType": "ADM1"}, ("FJ", "", "Rotuma", "")),
        ({"shapeGroup": "FJI", "shapeName": "Ba", "shapeType": "ADM2"}, ("FJ", "", "", "Ba")),
        ({"GID_0": "FJI", "COUNTRY": "Fiji", "NAME_1": "Western", "NAME_2": "Ba"}, ("FJ", "Fiji", "Western", "Ba")),
        ({"GID_0": "XKO", "NAME_0": "Kosovo"}, ("XK", "Kosovo", "", "")),
        (
            {"ADM0_A3": "FRA", "ISO_A2": "-99", "ISO_A2_EH": "FR", "ADMIN": "France", "NAME": "France"},
            ("FR", "France", "", ""),
        ),
        ({"ADM0_A3": "NOR", "ISO_A2": "-99", "ISO_A3": "-99", "NAME": "Norway"}, ("NO", "Norway", "", "")),
        ({"adm1_code": "FJI-1", "iso_a2": "FJ", "admin": "Fiji", "name": "Northern"}, ("FJ", "Fiji", "Northern", "")),
        ({"adm1_code": "FJI-2", "iso_a2": "FJ", "admin": "Fiji", "name": None}, ("FJ", "Fiji", "", "")),
        ({"country_code": "XA", "country": "Aland", "admin1": "North"}, ("XA", "Aland", "North", "")),
    ],
)
def test_names_of_every_publisher(tmp_path, names, expected):
    file = collection(tmp_path / "b.geojson", (names, shapely.box(177, -20, 180, -15)))
    assert tuple(read_boundaries(file).names[0]) == expected


def test_country_without_a_name_has_that_of_its_code(tmp_path):
    file = collection(
        tmp_path / "b.geojson.gz",
        ({"adm1_code": "1", "iso_a2": "FJ", "admin": None, "name": "A"}, shapely.box(0, 0, 1, 1)),
        ({"adm1_code": "2", "iso_a2": "FJ", "admin": "Fiji", "name": "B"}, shapely.box(1, 0, 2, 1)),
    )
    read = read_boundaries(file)
    assert [name.country for name in read.names] == ["Fiji", "Fiji"]
    assert read.level == 1


@pytest.mark.parametrize("ending", ["gpkg", "shp"])
def test_geopackage_and_shapefile(tmp_path, ending):
    from pyogrio import raw

    path = tmp_path / f"regions.{ending}"
    shapes = shapely.to_wkb(np.array([shapely.box(177, -20, 180, -15), shapely.box(0, 0, 1, 1)], object))
    fields = [np.array(["FJI", "TGO"], object), np.array(["Fiji", "Togo"], object)]
    raw.write(path, shapes, fields, ["GID_0", "NAME_0"], geometry_type="Polygon", crs="EPSG:4326")
    read = read_boundaries(path)
    assert [name.country_code for name in read.names] == ["FJ", "TG"]
    assert read.region_of([[0.5, 0.5], [-17, 179]]).tolist() == [1, 0]


def test_one_of_several_layers_is_chosen_by_name(tmp_path):
    from pyogrio import raw

    path = tmp_path / "levels.gpkg"
    shapes = shapely.to_wkb(np.array([shapely.box(0, 0, 1, 1)], object))
    for layer in ("ADM_0", "ADM_1"):
        names, texts = ["GID_0", f"NAME_{layer[-1]}"], [np.array(["TGO"], object), np.array([f"in {layer}"], object)]
        raw.write(
            path, shapes, texts, names, layer=layer, geometry_type="Polygon", crs="EPSG:4326", append=path.exists()
        )
    assert read_boundaries(f"{path}#ADM_1").names[0].admin1 == "in ADM_1"
    with pytest.raises(
        InputError, match=r"expected one layer, found ADM_0, ADM_1; choose one, as .*levels\.gpkg#ADM_0"
    ):
        read_boundaries(path)
    with pytest.raises(InputError, match="cannot be read as boundaries"):
        read_boundaries(f"{path}#ADM_9")


def test_files_that_cannot_be_meant_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such boundary file"):
        read_boundaries(tmp_path / "none.gpkg")
    (tmp_path / "text.geojson").write_text("no json")
    with pytest.raises(InputError, match="cannot be read as boundaries"):
        read_boundaries(tmp_path / "text.geojson")
    unknown = collection(tmp_path / "u.geojson", ({"label": "somewhere"}, shapely.box(0, 0, 1, 1)))
    with pytest.raises(
        InputError, match=r"expected the columns of geoBoundaries, Natural Earth or GADM, .*, found label; rename"
    ):
        read_boundaries(unknown)
    metres = collection(tmp_path / "m.geojson", ({"GID_0": "TGO"}, shapely.box(100_000, 0, 200_000, 1)))
    with pytest.raises(InputError, match="expected longitude and latitude in degrees"):
        read_boundaries(metres)


def test_real_places_have_their_real_names(admin1, countries):
    places = {
        (48.8584, 2.2945): ("FR", "Paris"), (-17.80, 177.44): ("FJ", "Western"), (-16.8, -179.97): ("FJ", "Northern"),
        (47.14, 9.52): ("LI", None), (43.9424, 12.4578): ("SM", None),
            (-29.31, 27.48): ("LS", "Maseru"), (35.6895, 139.6917): ("JP", "Tokyo"),
        (59.9139, 10.7522): ("NO", "Oslo"), (64.1466, -21.9426): ("IS", None), (42.6629, 21.1655): ("XK", None),
    }  # fmt: skip
    for (place, (code, region)), one, other in zip(
        places.items(), admin1.region_of(list(places)), countries.region_of(list(places)), strict=True
    ):
        assert countries.names[other].country_code == code, place
        assert admin1.names[one].country_code == code, place
        if region:
            assert admin1.names[one].admin1 == region, place


def test_real_boundaries_are_valid_and_of_this_world(admin1, countries):
    for boundaries in (admin1, countries):
        assert shapely.is_valid(boundaries.shapes).all()
        assert np.abs(shapely.bounds(boundaries.shapes)[:, [0, 2]]).max() <= 180
    assert countries.region_of([[-90, 12], [0, -140], [30, -40]]).tolist()[1:] == [-1, -1]


def test_real_photographs_lie_in_regions_nearly_all_and_the_same_ones_in_any_order(admin1):
    with gzip.open(SHARED / "points" / "coordinates_100k.csv.gz", "rt") as file:
        points = np.loadtxt(file, delimiter=",", skiprows=1, max_rows=20_000)
    found = admin1.region_of(points)
    assert (found >= 0).mean() > 0.99
    order = np.random.default_rng(5).permutation(len(points))
    assert (admin1.region_of(points[order]) == found[order]).all()
