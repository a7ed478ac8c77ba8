"""Views are cut of strips and of panoramas: the right columns, the right headings, the right angles."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.training.shard_files import write_tar
from typer.testing import CliRunner

from pigeon_edge.errors import InputError, UsageError
from pigeon_training.cli import app
from pigeon_training.data.dataset import read_rows
from pigeon_training.data.manifests.panoramas import Pinhole, panorama_views
from pigeon_training.data.manifests.strips import crop_of, cut_strip, fov_share, headings_deg
from pigeon_training.data.manifests.table import read_table, texts_of, write_table
from pigeon_training.data.streaming import panoramas

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30), (30, 200, 200)]


def strip_image(width=40, height=48):
    pixels = np.concatenate([np.full((height, width, 3), colour, np.uint8) for colour in COLOURS], axis=1)
    return Image.fromarray(pixels)


def run(*arguments):
    return CliRunner().invoke(app, ["manifest", *map(str, arguments)])


def test_headings_turn_clockwise_through_north():
    assert headings_deg(300.0, 4) == [300.0, 30.0, 120.0, 210.0]
    assert headings_deg(10.0, 5) == [10.0, 82.0, 154.0, 226.0, 298.0]
    assert headings_deg(-90.0, 1) == [270.0]
    assert headings_deg(359.99999, 1) == [0.0]


def test_strip_is_cut_from_left_to_right_and_cropped_about_the_middle_of_each_view():
    views = cut_strip(strip_image(), 5)
    assert [view.size for view in views] == [(40, 48)] * 5
    assert [view.getpixel((0, 0)) for view in views] == [view.getpixel((39, 47)) for view in views] == COLOURS
    marked = views[0].copy()
    marked.putpixel((5, 9), (255, 255, 255))
    marked.putpixel((34, 38), (255, 255, 255))
    cropped = crop_of(30, None, None)(marked)
    assert cropped.size == (30, 30)
    assert cropped.getpixel((0, 0)) == cropped.getpixel((29, 29)) == (255, 255, 255)


def test_what_is_no_strip_is_refused():
    with pytest.raises(InputError, match="expected a strip of 3 views of one width, found 200 x 48 pixels"):
        cut_strip(strip_image(), 3)
    with pytest.raises(InputError, match="expected views of 41 pixels or more each way, found 40 x 48"):
        crop_of(41, None, None)(cut_strip(strip_image(), 5)[0])


def test_field_of_view_is_cropped_by_tangents():
    assert fov_share(96, 90) == pytest.approx(0.9004, abs=5e-5)
    assert math.asin(math.radians(45)) / math.asin(math.radians(48)) == pytest.approx(0.9096, abs=5e-5)  # PIGEON's
    assert fov_share(120, 60) == pytest.approx(1 / 3)
    assert crop_of(None, 120.0, 60.0)(Image.new("RGB", (300, 150))).size == (100, 50)
    assert crop_of(None, 90.0, 90.0)(Image.new("RGB", (31, 17))).size == (31, 17)


@settings(max_examples=50, deadline=None)
@given(st.floats(1, 179), st.floats(0.1, 0.95), st.floats(0.1, 0.95))
def test_cropping_twice_is_cropping_once(from_deg, share, further):
    between, to = from_deg * share, from_deg * share * further
    assert fov_share(from_deg, between) * fov_share(between, to) == pytest.approx(fov_share(from_deg, to))
    assert fov_share(from_deg, to) < fov_share(from_deg, between) < 1


@pytest.mark.parametrize(("from_deg", "to_deg"), [(90, 96), (180, 90), (90, 0), (float("nan"), 90)])
def test_angles_that_no_flat_image_spans_are_refused(from_deg, to_deg):
    with pytest.raises(UsageError, match="expected fields of view"):
        fov_share(from_deg, to_deg)


def panorama_with_dot(azimuth_deg, elevation_deg, width=720, spread=3):
    """Return a panorama with a white dot at an azimuth from its middle column, and at an elevation."""
    pixels = np.zeros((width // 2, width, 3), np.uint8)
    column = round((azimuth_deg / 360 + 0.5) * width - 0.5)
    row = round((0.5 - elevation_deg / 180) * (width // 2) - 0.5)
    for step in range(-spread, spread + 1):
        pixels[row - spread : row + spread + 1, (column + step) % width] = 255
    return Image.fromarray(pixels)


def centre_of_light(view):
    """Return the mean (x, y) of a view's light, in pixels from its middle, y down; None in the dark."""
    light = np.asarray(view, np.float64).sum(axis=2)
    if light.max() < 100:
        return None
    y, x = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5 - np.array(light.shape)[:, None, None] / 2
    return (light * x).sum() / light.sum(), (light * y).sum() / light.sum()


@pytest.mark.parametrize(
    ("azimuth_deg", "elevation_deg", "view"),
    [(0, 0, 0), (30, 0, 0), (-30, 20, 0), (90, -25, 1), (120, 30, 1), (178, 0, 2), (-175, 10, 2), (-100, -35, 3)],
)
def test_dot_lands_where_a_pinhole_sees_it(azimuth_deg, elevation_deg, view):
    camera = Pinhole(200, 90.0)
    seen = [centre_of_light(each) for each in panorama_views(panorama_with_dot(azimuth_deg, elevation_deg), 4, camera)]
    assert [number for number, each in enumerate(seen) if each] == [view]
    aside = math.radians((azimuth_deg - 90 * view + 180) % 360 - 180)
    expected = (math.tan(aside), -math.tan(math.radians(elevation_deg)) / math.cos(aside))
    assert seen[view] == pytest.approx(np.array(expected) * camera.focal_px, abs=1.5)


def test_vertical_line_stays_one_and_right_of_the_middle_is_right():
    pixels = np.zeros((360, 720, 3), np.uint8)
    pixels[:, 398:402] = 255  # 20 degrees right of the middle column
    (ahead, right, _, left) = (
        np.asarray(view).sum(axis=2) for view in panorama_views(Image.fromarray(pixels), 4, Pinhole(200, 90))
    )
    brightest = ahead.argmax(axis=1)
    assert np.ptp(brightest) <= 1
    assert brightest.mean() == pytest.approx(100 + 100 * math.tan(math.radians(20)) - 0.5, abs=1)
    assert right.max() == left.max() == 0


def test_mirrored_panorama_is_seen_mirrored_to_the_pixel():
    coarse = Image.fromarray(np.random.default_rng(6).integers(0, 255, (18, 36, 3), np.uint8))
    panorama = coarse.resize((720, 360), Image.Resampling.BICUBIC)
    for turned, order in ((Image.Transpose.FLIP_LEFT_RIGHT, [0, 3, 2, 1]), (Image.Transpose.FLIP_TOP_BOTTOM, range(4))):
        views, mirrored = (panorama_views(each, 4, Pinhole(64, 90)) for each in (panorama, panorama.transpose(turned)))
        for number, view in enumerate(views):
            expected = np.asarray(view.transpose(turned), int)
            assert np.abs(np.asarray(mirrored[order[number]], int) - expected).max() <= 1


def test_two_views_share_the_edge_between_them():
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(0, 255, (18, 36, 3), np.uint8))
    views = panorama_views(coarse.resize((720, 360), Image.Resampling.BICUBIC), 4, Pinhole(256, 90))
    for view in range(4):
        edge, next_edge = np.asarray(views[view], int)[:, -1], np.asarray(views[(view + 1) % 4], int)[:, 0]
        assert np.abs(edge - next_edge).mean() < 6
        assert np.abs(edge - next_edge[::-1]).mean() > 20


def test_fine_structure_of_a_large_panorama_becomes_its_mean():
    pixels = np.zeros((512, 1024, 3), np.uint8)
    pixels[:, ::2] = 255
    for view in panorama_views(Image.fromarray(pixels), 4, Pinhole(16, 90)):
        assert np.abs(np.asarray(view, int) - 127.5).max() < 12  # 127.5 where single columns are picked


def test_panorama_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"twice as wide as high, found 200 x 48 pixels"):
        panorama_views(strip_image(), 4, Pinhole(8, 90))
    with pytest.raises(UsageError, match="expected a field of view"):
        Pinhole(8, 180)


@pytest.fixture
def strips(tmp_path):
    """Return a manifest of a file, a member of a tar, a strip without heading, a torn one and one of another width."""
    folder = tmp_path / "strips"
    folder.mkdir()
    strip_image().save(folder / "1000269685.png")
    write_tar(folder / "more.tar", [("b.png", (folder / "1000269685.png").read_bytes())])
    strip_image().save(folder / "c.png")
    (folder / "torn.jpg").write_bytes(b"torn")
    strip_image(width=41).crop((0, 0, 203, 48)).save(folder / "odd.png")
    (folder / "m.csv").write_text(
        "path,lat,lng,place_id,heading_deg,month,note\n"
        "1000269685.png,1,2,p1,300,7,first\n"
        "more.tar/b.png,3,4,,0,,\n"
        "torn.jpg,3,4,p3,0,,\n"
        "c.png,5,6,p4,,8,third\n"
        "odd.png,5,6,p5,1,,\n"
    )
    return folder / "m.csv"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_strips_become_a_row_a_view_and_bad_ones_are_told(strips, tmp_path, suffix):
    if suffix == "parquet":
        write_table(strips.with_suffix(".parquet"), read_table(strips))
    out = tmp_path / "views"
    result = run("views", strips.with_suffix(f".{suffix}"), "--views", 5, "--crop-px", 30, "--out", out)
    assert result.exit_code == 1
    assert "2 have no views, such as" in str(result.exception)
    assert "15 views in" in result.stderr
    assert "1 rows have no heading_deg" in result.stderr
    rows = read_rows(out / "manifest.csv")
    assert [row.heading_deg for row in rows] == [300, 12, 84, 156, 228, 0, 72, 144, 216, 288] + [None] * 5
    assert [row.place_id for row in rows] == ["p1"] * 5 + ["more.tar/b.png"] * 5 + ["p4"] * 5
    assert [row.month for row in rows] == [7] * 5 + [None] * 5 + [8] * 5
    assert texts_of(read_table(out / "manifest.csv"), "note") == ["first"] * 5 + [""] * 5 + ["third"] * 5
    for number, row in enumerate(rows):
        with Image.open(row.path) as view:
            assert view.size == (30, 30)
            assert np.abs(np.array(view.getpixel((3, 3))) - COLOURS[number % 5]).max() < 4
    assert [len(sample) for sample in panoramas(rows)] == [5, 5, 1, 1, 1, 1, 1]
    told = list(csv.DictReader((out / "unreadable.csv").read_text().splitlines()))
    assert [row["path"].rpartition("/")[2] for row in told] == ["torn.jpg", "odd.png"]
    assert "expected a strip of 5 views of one width, found 203 x 48" in told[1]["reason"]


def test_name_of_a_view_still_has_the_photo_id_of_its_strip(strips, tmp_path):
    from pigeon_training.data.manifests.contamination import photo_id

    run("views", strips, "--views", 5, "--out", tmp_path / "views")
    rows = read_rows(tmp_path / "views" / "manifest.csv")
    assert {photo_id(row.path) for row in rows[:5]} == {"1000269685"}


def test_panoramas_become_views_by_the_heading_of_their_middle(tmp_path):
    panorama_with_dot(90, 0).save(tmp_path / "sphere.png")
    (tmp_path / "m.csv").write_text("path,lat,lng,heading_deg\nsphere.png,1,2,350\n")
    result = run("panoramas", tmp_path / "m.csv", "--size-px", 64, "--out", tmp_path / "views")
    assert result.exit_code == 0, result.output
    rows = read_rows(tmp_path / "views" / "manifest.csv")
    lit = [row.heading_deg for row in rows if centre_of_light(Image.open(row.path))]
    assert [row.heading_deg for row in rows] == [350, 80, 170, 260]
    assert lit == [80]


def test_a_folder_that_is_there_is_kept_and_nothing_is_left_of_a_failure(strips, tmp_path):
    result = run("views", strips, "--views", 5, "--out", strips.parent)
    assert isinstance(result.exception, UsageError)
    assert "is there already" in str(result.exception)
    before = sorted(tmp_path.iterdir())
    result = run("views", strips, "--views", 3, "--out", tmp_path / "views")
    assert isinstance(result.exception, InputError)
    assert "not one of 5 strips has views, such as" in str(result.exception)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "options",
    [["--crop-fov-from", 96], ["--crop-fov-to", 90], ["--crop-px", 9, "--crop-fov-from", 96, "--crop-fov-to", 90]],
)
def test_half_a_crop_and_two_crops_are_refused(strips, tmp_path, options):
    result = run("views", strips, "--views", 5, "--out", tmp_path / "views", *options)
    assert isinstance(result.exception, UsageError)
    assert "expected a side in pixels alone" in str(result.exception)
