"""Which photographs share a geocell."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pigeon_edge.errors import InputError
from pigeon_edge.geodesy import haversine_km, spherical_mean
from pigeon_edge.manifest import lat_lng_of_rows
from pigeon_training.cells.semantic import cells_of_names
from pigeon_training.cells.store import read_cells, write_cells
from pigeon_training.presets import CellPreset


def partition_of(rows, min_size):
    """Geocells of at least that many, none too large to stay whole."""
    return cells_of_names(rows, CellPreset(min_size, 10**6, ())).partition


def semantic_cells(rows, min_size):
    return partition_of(rows, min_size).cells


def regions(cells):
    return [(cell.country, cell.regions, cell.size) for cell in cells]


def test_small_region_joins_the_nearest_of_its_country(rows_of):
    rows = rows_of("East", 10, 50, 20) + rows_of("West", 10, 50, 0) + rows_of("Isle", 2, 50, 14)
    assert regions(semantic_cells(rows, 5)) == [("Aland", ("East", "Isle"), 12), ("Aland", ("West",), 10)]


def test_no_cell_crosses_a_border_however_near(rows_of):
    rows = rows_of("Edge", 2, 50, 0) + rows_of("Far", 9, 50, 40) + rows_of("Near", 9, 50, 0.1, country="Bland")
    assert regions(semantic_cells(rows, 5)) == [("Aland", ("Far", "Edge"), 11), ("Bland", ("Near",), 9)]


def test_countries_of_one_code_and_two_names_stay_apart(rows_of):
    rows = rows_of("A", 1, 10, 10) + [replace(row, country="Other") for row in rows_of("A", 1, 10, 10)]
    assert [cell.country for cell in semantic_cells(rows, 5)] == ["Aland", "Other"]


def test_smallest_merges_first_and_merging_goes_on_until_all_are_large_enough(rows_of):
    rows = [row for n, lng in enumerate((0, 1, 3, 20, 21)) for row in rows_of(f"R{n}", n + 1, 40, lng)]
    cells = semantic_cells(rows, 6)
    assert regions(cells) == [("Aland", ("R2", "R1", "R0"), 6), ("Aland", ("R4", "R3"), 9)]


@pytest.mark.parametrize("min_size", [1, 4, 9, 30, 1000])
def test_min_size_holds_or_the_country_is_one_cell(rows_of, min_size):
    rows = [
        row
        for country, step in (("Aland", 3), ("Bland", 7))
        for n in range(8)
        for row in rows_of(f"R{n}", 1 + n * step % 11, 10 + 5 * n, 4 * n * step % 50, country=country)
    ]
    cells = semantic_cells(rows, min_size)
    assert sum(cell.size for cell in cells) == len(rows)
    for country in ("Aland", "Bland"):
        own = [cell for cell in cells if cell.country == country]
        assert len(own) == 1 or min(cell.size for cell in own) >= min_size
        assert sorted(r for cell in own for r in cell.regions) == [f"R{n}" for n in range(8)]


def test_order_of_rows_does_not_matter(rows_of):
    rows = [row for n in range(9) for row in rows_of(f"R{n}", n + 1, 30 + n, 5 * n, spread_deg=1.0)]
    shuffled = random.Random(5).sample(rows, len(rows))
    one, other = semantic_cells(rows, 7), semantic_cells(shuffled, 7)
    assert regions(one) == regions(other)
    centroids = [[cell.centroid_lat_lng for cell in cells] for cells in (one, other)]
    assert haversine_km(*centroids).max() < 1e-6


def test_order_of_rows_does_not_decide_between_neighbours_equally_near(rows_of):
    rows = rows_of("East", 5, 0, 10) + rows_of("Mid", 1, 0, 0) + rows_of("West", 5, 0, -10)
    assert regions(semantic_cells(rows[::-1], 5)) == regions(semantic_cells(rows, 5))


def test_centroid_of_a_region_is_the_spherical_mean_of_its_photographs(rows_of):
    rows = rows_of("Wide", 30, 60, 10, spread_deg=8.0)
    (cell,) = semantic_cells(rows, 1)
    assert cell.centroid_lat_lng == pytest.approx(tuple(spherical_mean(lat_lng_of_rows(rows))))


def test_centroid_of_merged_regions_is_where_their_photographs_are(rows_of):
    rows = rows_of("Large", 30, 60, 10, spread_deg=3.0) + rows_of("Small", 3, 55, 14, spread_deg=1.0)
    (cell,) = semantic_cells(rows, 33)
    assert haversine_km(cell.centroid_lat_lng, spherical_mean(lat_lng_of_rows(rows))) < 1.0


def test_country_across_the_antimeridian_has_its_centroid_there(rows_of):
    rows = rows_of("East", 4, -17, 179) + rows_of("West", 4, -17, -179)
    (cell,) = semantic_cells(rows, 8)
    assert abs(cell.centroid_lat_lng[1]) == pytest.approx(180, abs=1e-6)
    assert cell.centroid_lat_lng[0] == pytest.approx(-17, abs=0.01)


def test_one_photograph_makes_a_cell_of_one(rows_of):
    (cell,) = semantic_cells(rows_of("Only", 1, 12.5, -60.25), 100)
    assert (cell.size, cell.regions) == (1, ("Only",))
    assert cell.centroid_lat_lng == pytest.approx((12.5, -60.25))


def test_place_of_a_merged_cell_names_its_regions_together(rows_of):
    (cell,) = semantic_cells(rows_of("Tas", 1, 1, 1) + rows_of("Emm", 1, 2, 2), 2)
    assert str(cell.place) == "Emm & Tas, Aland"


def test_photograph_without_a_country_is_refused_by_name(rows_of):
    rows = [replace(row, country="") for row in rows_of("A", 1, 1, 1)]
    with pytest.raises(InputError, match=r"Aland-A-0\.jpg: the manifest names no country; .* country and admin1"):
        semantic_cells(rows, 1)


def test_rows_get_the_cell_of_their_region_even_where_another_is_nearer(rows_of):
    cells = partition_of(rows_of("East", 3, 50, 20) + rows_of("West", 3, 50, 0), 1)
    assert cells.cell_of_rows(rows_of("West", 2, 50, 19)).tolist() == [1, 1]


def test_rows_of_unknown_regions_get_the_nearest_centroid(rows_of):
    cells = partition_of(rows_of("East", 3, 50, 170) + rows_of("West", 3, 50, 0), 1)
    assert cells.cell_of_rows(rows_of("New", 1, 50, -175) + rows_of("Newer", 1, 50, 3)).tolist() == [0, 1]


def test_cells_are_read_as_they_were_written(tmp_path, rows_of):
    cells = partition_of(rows_of("Ñu", 3, 50, 20, spread_deg=1.0) + rows_of("West", 3, 50, 0), 1)
    write_cells(tmp_path / "cells", cells)
    again = read_cells(tmp_path / "cells")
    assert (again.cells, again.regions, again.roots.tolist()) == (cells.cells, cells.regions, cells.roots.tolist())
    assert {path.name for path in (tmp_path / "cells").iterdir()} == {
        "centroid_lat_lng.npy", "places.json", "regions.json",
    }  # fmt: skip


def test_folder_without_cells_says_how_to_make_them(tmp_path):
    with pytest.raises(InputError, match=r"expected geocells, .*; make them with: pigeon-edge train cells"):
        read_cells(tmp_path)


def test_cells_that_are_not_records_are_refused(tmp_path):
    (tmp_path / "regions.json").write_text('["north"]')
    with pytest.raises(InputError, match="expected geocells"):
        read_cells(tmp_path)
