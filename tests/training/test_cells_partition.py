"""Every point of the sphere in exactly one geocell: properties on small worlds of polygons."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.geodesy import destination, haversine_km, spherical_mean
from pigeon_training.cells.linking import territory_of
from pigeon_training.cells.partition import Partition
from pigeon_training.cells.semantic import cells_of_land
from pigeon_training.cells.shapes import shapes_of
from pigeon_training.data.geography.boundaries import read_boundaries
from pigeon_training.presets import CELL_PRESETS, CellPreset, sized

SCHEDULE = ((8, 0.05), (10, 0.025), (15, 0.015))
SMALL = CellPreset(10, 40, SCHEDULE)


def feature(shape, **names):
    return {"type": "Feature", "properties": names, "geometry": json.loads(shapely.to_geojson(shape))}


def level(path, features, depth):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return read_boundaries(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Aland of four squares, Bland of one without parts, Fiji of two parts on either side of the antimeridian."""
    folder = tmp_path_factory.mktemp("world")
    fiji = shapely.MultiPolygon([box(177, -19, 180, -16), box(-180, -19, -178, -16)])
    countries = [
        feature(box(0, 40, 20, 60), country_code="AL", country="Aland"),
        feature(box(20, 40, 30, 60), country_code="BL", country="Bland"),
        feature(fiji, country_code="FJ", country="Fiji"),
    ]
    squares = [(0, 40), (10, 40), (0, 50), (10, 50)]
    parts = [feature(box(x, y, x + 10, y + 10), country_code="AL", admin1=f"A{n}") for n, (x, y) in enumerate(squares)]
    parts += [feature(box(177, -19, 180, -16), country="Fiji", admin1="West")]
    parts += [feature(box(-180, -19, -178, -16), country="Fiji", admin1="East")]
    return territory_of([level(folder / "0.geojson", countries, 0), level(folder / "1.geojson", parts, 1)])


def around(lat, lng, count, spread_km, seed=1):
    rng = np.random.default_rng(seed)
    return destination((lat, lng), rng.uniform(0, 360, count), np.abs(rng.normal(0, spread_km, count)))


@pytest.fixture(scope="module")
def photographs():
    """Two towns and open land in Aland, some of Bland, Fiji on both sides, one on an island far away."""
    land = np.random.default_rng(2).uniform((40, 0), (60, 20), (150, 2))
    return np.vstack([
        around(45, 5, 120, 20), around(46, 7, 90, 15, seed=3), land, around(50, 25, 25, 80),
        around(-17.5, 179.9, 30, 60),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def made(world, photographs):
    return cells_of_land(photographs, world, SMALL)


def places(cells):
    return [(cell.country, cell.regions, cell.size) for cell in cells]


anywhere = st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=12)


@given(points=anywhere)
@settings(max_examples=30, deadline=None)
def test_every_point_of_the_sphere_has_exactly_one_cell_whoever_else_is_asked(made, points):
    together = made.partition.cell_of(points)
    assert ((together >= 0) & (together < len(made.partition))).all()
    assert together.tolist() == [made.partition.cell_of([point])[0] for point in points]


@given(points=anywhere)
@settings(max_examples=40, deadline=None)
def test_a_turn_around_the_earth_changes_nothing(made, points):
    turned = np.array(points) + np.array([0.0, 360.0])
    near_a_border = np.abs(turned[:, 1] % 1) < 1e-6
    same = made.partition.cell_of(points) == made.partition.cell_of(turned)
    assert (same | near_a_border).all()


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_point_on_land_has_a_cell_of_the_country_it_lies_in(made, data):
    lat = data.draw(st.floats(40.001, 59.999))
    lng = data.draw(st.floats(0.001, 19.999) | st.floats(20.001, 29.999))
    (cell,) = made.partition.cell_of([(lat, lng)])
    assert made.partition.cells[cell].country == ("Aland" if lng < 20 else "Bland")


def test_sizes_count_the_photographs_that_cell_of_puts_there(made, photographs):
    counted = np.bincount(made.partition.cell_of(photographs), minlength=len(made.partition))
    assert counted.tolist() == [cell.size for cell in made.partition.cells]
    assert counted.sum() == len(photographs)


def test_sizes_are_honoured_or_explained(made):
    sizes = [cell.size for cell in made.partition.cells]
    wrong = {n for n, size in enumerate(sizes) if not SMALL.min_size <= size <= SMALL.max_size}
    assert wrong == set(made.why)
    assert len(sizes) >= 10
    assert max(sizes) <= SMALL.max_size


def test_centroid_is_the_spherical_mean_of_the_members(made, photographs):
    member = made.partition.cell_of(photographs)
    for number, cell in enumerate(made.partition.cells):
        assert haversine_km(cell.centroid_lat_lng, spherical_mean(photographs[member == number])) < 1e-6


def test_ids_are_unique_and_stable_under_shuffling(world, made, photographs):
    shuffled = np.array(random.Random(4).sample(photographs.tolist(), len(photographs)))
    again = cells_of_land(shuffled, world, SMALL)
    assert again.partition.cells == made.partition.cells
    assert again.kinds == made.kinds
    ids = [cell.id for cell in made.partition.cells]
    assert len(set(ids)) == len(ids)
    assert all(len(identity) == 16 and int(identity, 16) >= 0 for identity in ids)


def test_other_photographs_elsewhere_leave_the_ids_of_a_country_alone(world, made, photographs):
    more = np.vstack([photographs, around(50, 25, 200, 50, seed=9)])
    both = [cells_of_land(points, world, SMALL).partition.cells for points in (photographs, more)]
    old, new = ([cell.id for cell in cells if cell.country == "Aland"] for cells in both)
    assert old == new


def test_town_is_cut_out_by_density(made, photographs):
    """The middle of a town and its outskirts are nearer to its own cells' centroids than the neighbouring town is."""
    cell = made.partition.cell_of([(45, 5), (46, 7), (55, 15)])
    assert len(set(cell.tolist())) == 3
    assert sum(kind.startswith("optics") for kind in made.kinds) >= 4


def test_shapes_are_disjoint_cover_the_land_and_agree_with_membership(world, made):
    shapes = shapes_of(made.partition, world)
    assert shapely.is_valid(shapes).all()
    land = shapely.union_all(world.leaf_geometry)
    assert shapely.area(shapes).sum() == pytest.approx(land.area, rel=1e-5)
    rng = np.random.default_rng(6)
    points = np.vstack([rng.uniform((40, 0), (60, 30), (1500, 2)), rng.uniform((-19, 177), (-16, 180), (300, 2))])
    cell = made.partition.cell_of(points)
    inside, point = shapely.STRtree(shapely.points(points[:, ::-1])).query(shapes, predicate="contains")[:2]
    assert len(np.unique(point)) == len(point) > 0.999 * len(points)
    assert (cell[point] == inside).mean() > 0.998


def test_shapes_stay_within_the_antimeridian(world, made):
    fiji = [n for n, cell in enumerate(made.partition.cells) if cell.country == "Fiji"]
    bounds = shapely.total_bounds(shapes_of(made.partition, world)[fiji])
    assert (bounds[0], bounds[2]) == (-180, 180)


def test_fiji_joins_across_the_antimeridian_and_its_centroid_is_there(world):
    points = np.array([(-17.5, 179.9)] * 6 + [(-17.5, -179.9)] * 6)
    made = cells_of_land(points, world, SMALL)
    (cell,) = made.partition.cells
    assert (cell.country, cell.regions, cell.size) == ("Fiji", ("East", "West"), 12)
    assert abs(cell.centroid_lat_lng[1]) == pytest.approx(180)
    assert world.neighbours[world.region_of(points[:1])[0]] == set(world.region_of(points[-1:]))


def test_country_with_one_photograph_is_a_cell_of_one(world):
    points = np.vstack([around(45, 5, 20, 20), [(50, 25)]])
    made = cells_of_land(points, world, SMALL)
    assert places(made.partition.cells) == [("Aland", ("A0",), 20), ("Bland", (), 1)]
    assert made.why == {1: "its country has no more photographs"}
    assert made.partition.cells[1].centroid_lat_lng == pytest.approx((50, 25))


def test_country_without_photographs_goes_to_its_neighbour_abroad(world):
    made = cells_of_land(around(45, 15, 20, 20), world, SMALL)
    (cell,) = set(made.partition.cell_of([(50, 25), (45, 15), (-17, 179)]).tolist())
    assert made.partition.cells[cell].country == "Aland"


def test_region_without_photographs_joins_its_country_not_a_nearer_one(world):
    points = np.vstack([around(42, 2, 20, 20), around(50, 21, 20, 20)])
    partition = cells_of_land(points, world, SMALL).partition
    (cell,) = partition.cell_of([(55, 19.9)])
    assert partition.cells[cell].country == "Aland"


def test_small_region_joins_the_one_it_borders_on_not_the_one_whose_photographs_are_nearer(tmp_path):
    strips = [
        feature(box(0, 0, 1, 1), country="X", admin1="small"),
        feature(box(1, 0, 20, 1), country="X", admin1="wide"),
    ]
    strips += [feature(box(-3, 0, -1, 1), country="X", admin1="apart")]
    territory = territory_of([level(tmp_path / "x.geojson", [feature(box(-3, 0, 20, 1), country="X")], 0),
                              level(tmp_path / "y.geojson", strips, 1)])  # fmt: skip
    points = np.array([(0.5, 0.5)] * 3 + [(0.5, 19)] * 20 + [(0.5, -1.5)] * 20)
    cells = cells_of_land(points, territory, CellPreset(10, 100, SCHEDULE)).partition.cells
    assert places(cells) == [("X", ("apart",), 20), ("X", ("wide", "small"), 23)]


def test_far_island_keeps_its_cell_and_a_near_one_does_not(tmp_path):
    islands = [feature(box(x, 0, x + 1, 1), country="X", admin1=f"at {x}") for x in (0, 5, 40)]
    territory = territory_of([level(tmp_path / "x.geojson", [feature(box(0, 0, 41, 1), country="X")], 0),
                              level(tmp_path / "y.geojson", islands, 1)])  # fmt: skip
    points = np.array([(0.5, 0.5)] * 20 + [(0.5, 5.5)] * 3 + [(0.5, 40.5)] * 4)
    made = cells_of_land(points, territory, CellPreset(10, 100, SCHEDULE))
    assert places(made.partition.cells) == [("X", ("at 0", "at 5"), 23), ("X", ("at 40",), 4)]
    assert made.why == {1: "too far from the rest of its country"}


def test_districts_join_within_their_region_first(tmp_path):
    country = level(tmp_path / "0.geojson", [feature(box(0, 0, 4, 1), country="X", country_code="XX")], 0)
    halves = [
        feature(box(0, 0, 2, 1), country_code="XX", admin1="L"),
        feature(box(2, 0, 4, 1), country_code="XX", admin1="R"),
    ]
    fine = [
        feature(box(n, 0, n + 1, 1), country_code="XX", admin1="L" if n < 2 else "R", admin2=f"d{n}") for n in range(4)
    ]
    territory = territory_of(
        [country, level(tmp_path / "1.geojson", halves, 1), level(tmp_path / "2.geojson", fine, 2)]
    )
    points = np.array([(0.5, 0.1)] * 20 + [(0.5, 1.95)] * 3 + [(0.5, 2.05)] * 20 + [(0.5, 3.5)] * 20)
    cells = cells_of_land(points, territory, CellPreset(10, 100, SCHEDULE)).partition.cells
    assert [(cell.regions, cell.districts, cell.size) for cell in cells] == [
        (("L",), ("d0", "d1"), 23), (("R",), ("d2",), 20), (("R",), ("d3",), 20),
    ]  # fmt: skip


def test_photographs_at_one_coordinate_stay_together_and_the_report_says_why(world):
    made = cells_of_land(np.array([(50.0, 25.0)] * 100), world, SMALL)
    assert [cell.size for cell in made.partition.cells] == [100]
    assert made.why == {0: "all photographs are at one coordinate"}


@pytest.mark.parametrize("count", [41, 79, 200, 1000])
def test_even_land_without_any_density_is_divided_all_the_same(world, count):
    points = np.random.default_rng(count).uniform((41, 21), (59, 29), (count, 2))
    made = cells_of_land(points, world, SMALL)
    sizes = [cell.size for cell in made.partition.cells]
    assert min(sizes) >= SMALL.min_size
    assert max(sizes) <= SMALL.max_size


def test_samples_of_many_photographs_still_honour_the_sizes(world):
    points = np.vstack([around(45, 5, 900, 30), np.random.default_rng(1).uniform((40, 0), (60, 20), (900, 2))])
    made = cells_of_land(points, world, CellPreset(20, 60, SCHEDULE, sample=200))
    sizes = [cell.size for cell in made.partition.cells]
    assert (min(sizes) >= 20, max(sizes) <= 60, made.why) == (True, True, {})


def test_no_photographs_and_no_boundaries_are_refused(world):
    with pytest.raises(InputError, match="expected photographs to make geocells of, found none"):
        cells_of_land(np.empty((0, 2)), world, SMALL)
    with pytest.raises(InputError, match="expected a file of boundaries, found none"):
        territory_of([])


def test_names_alone_answer_for_rows_but_not_for_points(rows_of):
    from pigeon_training.cells.semantic import cells_of_names

    partition = cells_of_names(rows_of("A", 4, 1, 1), SMALL).partition
    assert partition.cell_of_rows(rows_of("A", 2, 1, 1)).tolist() == [0, 0]
    with pytest.raises(InputError, match="no boundaries; make them with: train cells --boundaries FILE"):
        partition.cell_of([(1, 1)])


def test_point_equally_near_goes_to_the_first_seed():
    from pigeon_training.cells.tree import nearest

    seeds = np.array([(0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
    assert nearest(np.array([(1.0, 0.0, 0.0), (0.0, 0.6, 0.8), (0.0, 0.8, 0.6)]), seeds).tolist() == [0, 1, 0]


def test_presets_are_the_published_ones():
    pigeon, pigeotto = CELL_PRESETS["pigeon"], CELL_PRESETS["pigeotto"]
    assert (pigeon.min_size, pigeon.max_size, pigeon.schedule) == (30, 60, ((8, 0.05), (10, 0.025), (15, 0.015)))
    assert (pigeotto.min_size, pigeotto.max_size) == (1000, 2000)
    assert pigeotto.schedule == ((300, 0.05), (400, 0.005), (1000, 0.0001))


def test_sizes_that_exclude_each_other_are_refused():
    assert sized(CELL_PRESETS["pigeon"], None, 90) == CellPreset(30, 90, SCHEDULE)
    with pytest.raises(UsageError, match="found 100 to 60; give --min-size and --max-size together"):
        sized(CELL_PRESETS["pigeon"], 100, None)


def test_partition_is_as_long_as_its_cells(made):
    assert len(made.partition) == len(made.partition.cells) == len(made.partition.centroid_lat_lng)
    assert isinstance(made.partition, Partition)
