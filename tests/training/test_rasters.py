"""Values at coordinates: GeoTIFFs in any projection, text grids, the twelve months; nothing where there is no data."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from pigeon_edge.errors import InputError
from pigeon_training.data.geography.climate import CLIMATES, climate_codes
from pigeon_training.data.geography.rasters import GeoTiff, Months, read_months, read_raster

SHARED = Path(__file__).parents[3] / "shared" / "data" / "rasters"


def geotiff(path, values, *, west=-180.0, north=90.0, step=10.0, crs="EPSG:4326", nodata=None, scale=1.0, offset=0.0):
    bands = np.asarray(values)
    bands = bands[None] if bands.ndim == 2 else bands
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
        crs=crs, transform=Affine(step, 0.0, west, 0.0, -step, north), nodata=nodata, tiled=True,
    ) as target:  # fmt: skip
        target.write(bands)
        target.scales, target.offsets = [scale] * len(bands), [offset] * len(bands)
    return path


def of_its_centre():
    """Return a world of ten-degree pixels that hold 1000 x their latitude + their longitude."""
    lat, lng = np.meshgrid(np.arange(85, -90, -10), np.arange(-175, 180, 10), indexing="ij")
    return (1000 * lat + lng).astype(np.float32)


def test_pixel_that_holds_the_point_has_its_value(tmp_path):
    raster = read_raster(geotiff(tmp_path / "world.tif", of_its_centre()))
    points = [[12.0, 34.0], [-12.0, -34.0], [89.9, 179.9], [-90.0, -180.0], [0.1, 180.0], [12.0, 394.0]]
    assert raster.at(points).tolist() == [15035, -15035, 85175, -85175, 4825, 15035]


def test_no_data_and_no_place_are_nan(tmp_path):
    values = of_its_centre()
    values[8, 18] = -9999
    values[8, 19] = np.inf
    raster = GeoTiff(geotiff(tmp_path / "w.tif", values, nodata=-9999))
    assert np.isnan(raster.at([[5.0, 5.0], [5.0, 15.0], [np.nan, 0.0], [0.0, np.inf], [91.0, 0.0]])).all()
    part = GeoTiff(geotiff(tmp_path / "p.tif", values[:6, :9]))
    assert np.isnan(part.at([[-40.0, -170.0], [70.0, 0.0]])).all()
    assert part.at([[75.0, -95.0]]).tolist() == [74905]


def test_world_that_begins_at_greenwich(tmp_path):
    raster = GeoTiff(geotiff(tmp_path / "w.tif", np.roll(of_its_centre(), -18, axis=1), west=0.0))
    assert raster.at([[12.0, 34.0], [12.0, -34.0], [12.0, -0.1]]).tolist() == [15035, 14965, 14995]


def test_scale_and_offset_are_applied(tmp_path):
    raster = GeoTiff(geotiff(tmp_path / "w.tif", np.full((18, 36), 20, np.int16), scale=0.5, offset=-3))
    assert raster.at([[1.0, 1.0]]).tolist() == [7.0]


def test_raster_in_mollweide_metres(tmp_path):
    from rasterio.warp import transform

    side = 500_000.0
    values = np.arange(36 * 72, dtype=np.float32).reshape(36, 72)
    path = geotiff(tmp_path / "m.tif", values, west=-18e6, north=9e6, step=side, crs="ESRI:54009")
    for lat, lng in ((51.5, -0.1), (-33.9, 151.2), (0.0, 179.0), (71.0, 25.0)):
        (x,), (y,) = transform("EPSG:4326", "ESRI:54009", [lng], [lat])
        assert GeoTiff(path).at([[lat, lng]])[0] == values[int((9e6 - y) // side), int((x + 18e6) // side)]


def test_windows_of_a_large_raster_agree_with_the_whole(tmp_path):
    values = np.random.default_rng(3).integers(0, 255, (1800, 3600), np.uint8)
    path = geotiff(tmp_path / "l.tif", values, step=0.1)
    points = np.random.default_rng(4).uniform((-90, -180), (90, 180), (5000, 2))
    row, column = np.floor((90 - points[:, 0]) * 10).astype(int), np.floor((points[:, 1] + 180) * 10).astype(int)
    assert (GeoTiff(path).at(points) == values[row, column]).all()
    assert GeoTiff(path).at(np.empty((0, 2))).shape == (0,)


def test_months_in_a_folder_and_as_bands(tmp_path):
    (tmp_path / "tavg").mkdir()
    months = np.stack([np.full((18, 36), month, np.float32) for month in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 24)])
    months[5, 0, 0] = -99
    for number, month in enumerate(months, start=1):
        geotiff(tmp_path / "tavg" / f"tavg_{number:02}.tif", month, nodata=-99)
    for source in (tmp_path / "tavg", geotiff(tmp_path / "all.tif", months, nodata=-99)):
        mean, spread = read_months(source).mean_and_range_at([[1.0, 1.0], [85.0, -175.0]])
        assert (mean[0], spread[0]) == (7.5, 23.0)
        assert np.isnan([mean[1], spread[1]]).all()
        assert read_months(source).at([[1.0, 1.0]]).tolist() == [7.5]
    with pytest.raises(InputError, match=r"expected 12 months, .*, found 1"):
        read_months(geotiff(tmp_path / "one.tif", months[0]))


def test_rasters_that_cannot_be_meant_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such raster"):
        read_raster(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(InputError, match="cannot be read as a raster"):
        read_raster(tmp_path / "text.tif")
    (tmp_path / "bad.txt").write_text("1.0 2.0")
    with pytest.raises(InputError, match="expected lines of lat, lon and Koeppen class"):
        read_raster(tmp_path / "bad.txt")
    with pytest.raises(InputError, match="found no coordinate system"):
        read_raster(geotiff(tmp_path / "nowhere.tif", of_its_centre(), crs=None))


def test_koeppen_table_with_and_without_a_heading(tmp_path):
    lines = "  51.75   -0.25   Cfb\n -89.75 -179.75   EF\n  89.75  179.75   ET\n  10.25   10.25   Q\n"
    for heading in ("", "Lat Lon Cls\n"):
        (tmp_path / "k.txt").write_text(heading + lines)
        grid = read_raster(tmp_path / "k.txt")
        at = grid.at([[51.6, -0.4], [51.4, -0.4], [-90.0, 180.0], [90.0, 179.99], [10.1, 10.1], [np.nan, 1.0]])
        assert climate_codes(at) == ["Cfb", "", "EF", "ET", "", ""]


def test_classes_of_the_climate_map():
    assert (CLIMATES[0], CLIMATES[29], len(CLIMATES)) == ("Af", "EF", 31)
    assert climate_codes([1.0, 30.0, 0.0, np.nan, 255.0, -1.0]) == ["Af", "EF", "", "", "", ""]


def test_population_and_elevation_grids(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps([["1990", [1, 2, 9]], ["2000", [10, 20, 0.5, -55, 180, 0.25]]]))
    grid = read_raster(tmp_path / "p.json")
    assert grid.at([[10.4, 19.6], [-55.0, -180.0]]).tolist() == [0.5, 0.25]
    assert np.isnan(grid.at([[12.0, 20.0]])).all()
    lats, lons = np.arange(-85, 90, 10.0), np.arange(5, 376, 10.0)
    values = 1000 * lats[:, None] + lons % 360
    for name, numbers in (("data", values), ("lats", lats), ("lons", lons)):
        (tmp_path / f"e{name}.gz").write_bytes(gzip.compress(" ".join(map(str, numbers.ravel())).encode()))
    heights = read_raster(tmp_path / "edata.gz")
    assert heights.at([[12, 34], [-90, 359], [90, 0], [12, -34], [0.0, 4.9]]).tolist() == [
        15035,
        -84645,
        85005,
        15325,
        5005,
    ]


def test_real_grids_know_real_places():
    if not SHARED.is_dir():
        pytest.skip(f"the real grids of {SHARED} are not on this machine")
    everest, london, cairo, death_valley = [27.98, 86.92], [51.5, -0.12], [30.05, 31.25], [36.25, -116.83]
    climate = read_raster(SHARED / "koeppen_geiger_half_degree.txt")
    assert climate_codes(climate.at([everest, london, cairo, [0.0, -140.0]])) == ["ET", "Cfb", "BWh", ""]
    elevation = read_raster(SHARED / "etopo20data.gz").at([everest, london, [-90.0, 0.0], [90.0, 10.0]])
    assert elevation[0] > 5000
    assert 0 < elevation[1] < 150
    assert elevation[2] > 2000
    assert elevation[3] < -3000
    population = read_raster(SHARED / "population_2000_one_degree.json").at([cairo, death_valley])
    assert population[0] > 5 * np.nan_to_num(population[1])


def test_mean_of_months_takes_any_raster():
    class Constant:
        def __init__(self, value):
            self.value = value

        def at(self, lat_lng):
            return np.full(len(lat_lng), self.value)

    assert Months(tuple(Constant(float(month)) for month in range(12))).at([[0, 0]]).tolist() == [5.5]
