"""Published data sets, each as a tiny folder of its shape, become manifests."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from PIL import Image

from pigeon_edge.errors import InputError
from pigeon_edge.manifest import read_manifest
from pigeon_training.data.manifests.bad_rows import Defect
from pigeon_training.data.manifests.importing import import_dataset
from pigeon_training.data.manifests.layouts import LAYOUTS
from pigeon_training.data.manifests.table import moved_paths, write_table

JPEG = io.BytesIO()
Image.new("RGB", (8, 8), "teal").save(JPEG, "JPEG")


def lay_out(folder, table, text, *photographs):
    folder.mkdir(exist_ok=True)
    (folder / table).write_text(text)
    for name in photographs:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG.getvalue())
    return folder


def rows_of(kind, folder, ending="csv"):
    imported = import_dataset(LAYOUTS[kind], folder)
    out = folder / f"manifest.{ending}"
    write_table(out, imported.table)
    return read_manifest(out), Counter(bad.defect for bad in imported.bad)


@pytest.mark.parametrize(("kind", "part"), [("osv5m", "train"), ("osv5m-test", "test")])
def test_openstreetview(tmp_path, kind, part):
    heading = "id,latitude,longitude,country,captured_at,cell,region,sub-region,unique_country,creator_id\n"
    lines = (
        '3859149887465501,-43.804769384023,-176.61409250805,,1687000000000,"(0, 8)",Chatham Islands,,NZ,1113362210.0\n'
        '42,48.85,2.35,,2019-11-03,"(1, 1)",Île-de-France,,FR,7.0\n'
        "43,0,0,,,,,,FR,7\n44,95,2,,,,,,FR,7\n45,1,2,,,,,,FR,7\n46,north,2,,,,,,FR,7\n"
    )
    photographs = [
        f"images/{part}/{shard}/{name}.jpg" for shard, name in (("00", 3859149887465501), ("97", 42), ("00", 43))
    ]
    rows, bad = rows_of(kind, lay_out(tmp_path / "osv5m", f"{part}.csv", heading + lines, *photographs))
    assert [row.path.relative_to(tmp_path / "osv5m").as_posix() for row in rows] == photographs[:2]
    assert [(row.country_code, row.admin1, row.month, row.author) for row in rows] == [
        ("NZ", "Chatham Islands", 6, "1113362210"),
        ("FR", "Île-de-France", 11, "7"),
    ]
    assert (rows[0].lat, rows[0].lng) == (-43.804769384023, -176.61409250805)
    assert bad == {Defect.NULL_ISLAND: 1, Defect.OUT_OF_RANGE: 1, Defect.MISSING: 1, Defect.NO_NUMBER: 1}


PLACES365 = "IMG_ID,AUTHOR,LAT,LON,S3_Label,S16_Label,S365_Label,Prob_indoor,Prob_natural,Prob_urban\n"


@pytest.mark.parametrize(("kind", "folder"), [("im2gps", "images"), ("im2gps3k", "im2gps3ktest"), ("im2gps3k", ".")])
def test_im2gps_and_its_authors(tmp_path, kind, folder):
    lines = (
        "1000269685_e60e9cdfb4_1125_78841376@N00.jpg,78841376@N00,32.325436,-64.764404,2,12,353,0.2,0.1,0.7\n"
        "Ankara_00003_601190107_9f05b2251e_1292_8504005@N07.jpg,9f05b2251e_1292_8504005@N07,39.9,32.9,2,15,332,0,0,1\n"
    )
    names = [line.split(",")[0] for line in lines.splitlines()]
    table = f"{kind}_places365.csv"
    rows, bad = rows_of(
        kind, lay_out(tmp_path / "d", table, PLACES365 + lines, *(f"{folder}/{name}" for name in names))
    )
    assert [row.author for row in rows] == ["78841376@N00", "8504005@N07"]
    assert (rows[0].lat, rows[0].lng, rows[0].path.name) == (32.325436, -64.764404, names[0])
    assert not bad


def test_exchanged_headings_are_refused(tmp_path):
    heading = PLACES365.replace("LAT,LON", "LON,LAT")
    lines = "".join(f"{number}.jpg,a@N0,{number % 60},{number * 8 - 160},0,0,0,0,0,0\n" for number in range(40))
    folder = lay_out(tmp_path / "d", "im2gps3k_places365.csv", heading + lines, "images/1.jpg")
    with pytest.raises(
        InputError, match=r"expected latitudes in LAT, .* exchanged headings, as in an early table of Im2GPS3k"
    ):
        import_dataset(LAYOUTS["im2gps3k"], folder)


@pytest.mark.parametrize(("kind", "table"), [("mp16", "mp16_places365.csv"), ("yfcc26k", "yfcc25600_places365.csv")])
def test_image_ids_that_are_paths_are_found_nested_and_flat(tmp_path, kind, table):
    text = "IMG_ID,LAT,LON,S3_Label\nf6/3a/1000269685.jpg,10.5,20.5,1\n0b/c4/77777777.jpg,-10.5,-20.5,2\n"
    files = ("images/f6/3a/1000269685.jpg", "images/0b_c4_77777777.jpg")
    rows, bad = rows_of(kind, lay_out(tmp_path / "d", table, text, *files))
    assert [row.path.relative_to(tmp_path / "d").as_posix() for row in rows] == list(files)
    assert [(row.author, row.place_id) for row in rows] == [("", "10.50,20.50"), ("", "-10.50,-20.50")]
    assert not bad


@pytest.mark.parametrize(("table", "folder"), [("yfcc4k.txt", "yfcc4k"), ("info.txt", "images")])
def test_yfcc4k_lines_of_25_fields_with_lone_quotes(tmp_path, table, folder):
    def line(number, photo, user, taken, lng, lat):
        fields = [number, photo, "a1b2", user, "nick", taken, "0", "camera", '12"+lens', "", "", "", lng, lat, "16"]
        return "\t".join(map(str, [*fields, *[""] * 9, "0"])) + "\n"

    text = line(1, 123456789, "1@N02", "2010-05-14 10:11:12.0", 2.35, 48.85) + line(2, 99, "2@N03", "null", 1, 1)
    rows, bad = rows_of("yfcc4k", lay_out(tmp_path / "d", table, text, f"{folder}/123456789.jpg"))
    assert [(row.lat, row.lng, row.author, row.month, row.path.stem) for row in rows] == [
        (48.85, 2.35, "1@N02", 5, "123456789")
    ]
    assert bad == {Defect.MISSING: 1}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_gws15k_and_its_places(tmp_path, ending):
    text = "path,lat,lon\ngsv_0.jpg,31.9072094,102.2125397\ngsv_2.jpg,31.9072094,102.2125397\n"
    folder = lay_out(tmp_path / "d", "gws15k.csv", text, "images/gsv_0.jpg", "images/gsv_2.jpg")
    rows, bad = rows_of("gws15k", folder, ending)
    assert {row.place_id for row in rows} == {"31.91,102.21"}
    assert [row.path.name for row in rows] == ["gsv_0.jpg", "gsv_2.jpg"]
    assert not bad


def test_one_authors_photographs_of_a_spot_are_one_place_and_strangers_ones_are_not(tmp_path):
    lines = (
        "1111111_a_1_5@N01.jpg,5@N01,48.8584,2.2945\n"
        "2222222_a_1_5@N01.jpg,5@N01,48.8581,2.2949\n"
        "3333333_a_1_6@N01.jpg,6@N01,48.8584,2.2945\n"
    )
    names = [line.split(",")[0] for line in lines.splitlines()]
    rows, _ = rows_of(
        "im2gps3k", lay_out(tmp_path / "d", "im2gps3k_places365.csv", "IMG_ID,AUTHOR,LAT,LON\n" + lines, *names)
    )
    assert [row.place_id for row in rows] == ["5@N01/48.86,2.29", "5@N01/48.86,2.29", "6@N01/48.86,2.29"]


def test_manifest_elsewhere_still_finds_the_photographs(tmp_path):
    folder = lay_out(tmp_path / "data", "gws15k.csv", "path,lat,lon\ngsv_0.jpg,1,2\n", "gsv_0.jpg")
    out = tmp_path / "manifests" / "gws.csv"
    write_table(out, moved_paths(import_dataset(LAYOUTS["gws15k"], folder).table, folder, out.parent))
    (row,) = read_manifest(out)
    assert row.path.resolve() == (folder / "gsv_0.jpg").resolve()


def test_what_is_no_such_data_set_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected yfcc4k\.txt or info\.txt \(YFCC4k\), found no such file"):
        import_dataset(LAYOUTS["yfcc4k"], tmp_path)
    (tmp_path / "gws15k.csv").write_text("name,latitude,longitude\na.jpg,1,2\n")
    with pytest.raises(InputError, match="expected columns path, lat, lon, found name, latitude, longitude"):
        import_dataset(LAYOUTS["gws15k"], tmp_path)
