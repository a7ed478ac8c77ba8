from __future__ import annotations

import csv
import json
import os
import sys
import threading
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from pigeon_edge.archive import geotag as geotag_module
from pigeon_edge.archive.geotag import BATCH, geotag
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.events.columns import COLUMNS
from pigeon_edge.events.summary import Summary
from pigeon_edge.images.scan import scan
from pigeon_edge.sinks.files import Format, events_file, format_of, json_line
from pigeon_edge.testing import write_colour

COLOURS = {"Rubra": (250, 5, 5), "Verda": (5, 250, 5), "Blua": (5, 5, 250)}
LIMIT = 10_000_000


def _names(found, folder):
    return [path.relative_to(folder).as_posix() for path in found.photographs]


def test_folders_are_searched_in_order_by_suffix_without_hidden_ones(tmp_path):
    for name in ("b/2.JPG", "b/1.png", "a.heic", "z/y/x.tiff", ".hidden/a.jpg", "b/.a.jpg", "notes.txt", "b/raw.cr2"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = scan([tmp_path])
    assert _names(found, tmp_path) == ["a.heic", "b/1.png", "b/2.JPG", "z/y/x.tiff"]
    assert found.other_files == 2


def test_files_are_taken_as_named_once_and_in_the_order_given(tmp_path):
    for name in ("scan.dat", ".hidden.jpg", "a.jpg"):
        (tmp_path / name).touch()
    found = scan([tmp_path / "scan.dat", tmp_path / ".hidden.jpg", tmp_path, tmp_path / "scan.dat"])
    assert _names(found, tmp_path) == ["scan.dat", ".hidden.jpg", "a.jpg"]


def test_links_to_files_are_followed_and_what_is_left_out_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("in/a.jpg", "out/b.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "in" / "0-again.jpg").symlink_to(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "once-more.jpg").symlink_to(tmp_path / "out" / "b.jpg")
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "out" / "b.jpg")
    (tmp_path / "in" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    found = scan([tmp_path / "in"])
    assert _names(found, tmp_path) == ["in/a.jpg", "in/link.jpg"]
    assert found.other_files == 0
    assert [line.removeprefix(f"left out {tmp_path}/in/") for line in found.words()] == [
        "folder: a link to a folder; name the folder itself",
        "gone.jpg: a link to nothing",
        "loop: a link to a folder; name the folder itself",
        "pipe.jpg: a device or pipe",
    ]
    assert scan([tmp_path / "in" / "link.jpg"]).photographs == (tmp_path / "in" / "link.jpg",)


def test_a_missing_path_an_empty_folder_and_a_pipe_say_what_they_are(tmp_path):
    with pytest.raises(InputError, match=r"gone: no such file or folder"):
        scan([tmp_path / "gone"])
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"expected photographs, found none; their names end in \.jpg"):
        scan([tmp_path])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: expected a file or a folder, found a device or pipe"):
        scan([tmp_path / "pipe"])


def _archive(folder, count):
    """Write photographs in turn of every country; each seventh is broken."""
    paths = []
    for number in range(count):
        country = list(COLOURS)[number % 3]
        path = write_colour(folder / f"{number:03}-{country}.png", COLOURS[country])
        if number % 7 == 3:
            path.write_bytes(path.read_bytes()[:80])
        paths.append(path)
    return paths


@pytest.mark.parametrize("count", [0, 1, BATCH, 2 * BATCH + 9])
def test_events_keep_the_order_and_broken_files_are_events(tmp_path, locator, count):
    paths = _archive(tmp_path, count)
    events = list(geotag(paths, locator, LIMIT))
    assert [event["source_id"] for event in events] == [str(path) for path in paths]
    for number, event in enumerate(events):
        if number % 7 == 3:
            assert event["status"] == "error"
            assert event["error"].startswith(f"{paths[number]}: cannot be decoded")
        else:
            assert event["place"]["country"] == list(COLOURS)[number % 3]


def test_a_batch_of_broken_files_only_is_no_end(tmp_path, locator):
    for number in range(BATCH + 1):
        (tmp_path / f"{number:02}.jpg").write_bytes(b"no photograph")
    write_colour(tmp_path / "99.png", COLOURS["Verda"])
    events = list(geotag(scan([tmp_path]).photographs, locator, LIMIT))
    assert [event["status"] for event in events] == ["error"] * (BATCH + 1) + ["located"]


def test_no_more_than_two_batches_are_decoded_ahead(tmp_path, locator, monkeypatch):
    read, lock = [], threading.Lock()
    original = geotag_module.read_photograph

    def counted(path, spec, max_pixels):
        with lock:
            read.append(path)
        return original(path, spec, max_pixels)

    monkeypatch.setattr(geotag_module, "read_photograph", counted)
    events = geotag(_archive(tmp_path, 4 * BATCH), locator, LIMIT)
    next(events)
    assert len(read) <= 2 * BATCH
    events.close()
    assert len(read) <= 2 * BATCH


def test_gps_of_a_photograph_is_in_its_event(tmp_path, locator):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (46.0, 0.0, 0.0), 3: "W", 4: (100.0, 0.0, 0.0)})
    Image.new("RGB", (32, 32), COLOURS["Verda"]).save(tmp_path / "a.jpg", exif=exif)
    [event] = geotag([tmp_path / "a.jpg"], locator, LIMIT)
    assert event["gps"] == {"lat": 46.0, "lon": -100.0, "source": "exif", "distance_m": 111195}


@pytest.fixture
def events(tmp_path, locator):
    return list(geotag(_archive(tmp_path / "photographs", 5), locator, LIMIT))


def _written(path, kind, events):
    with events_file(path, kind) as write:
        for event in events:
            write(event)
    return path.read_text(encoding="utf-8")


def test_json_lines_are_the_events(tmp_path, events):
    lines = _written(tmp_path / "a.jsonl", Format.JSONL, events).splitlines()
    assert [json.loads(line) for line in lines] == events


def test_geojson_has_longitude_first_and_no_geometry_for_what_failed(tmp_path, events):
    document = json.loads(_written(tmp_path / "a.geojson", Format.GEOJSON, events))
    assert (document["type"], len(document["features"])) == ("FeatureCollection", 5)
    for feature, event in zip(document["features"], events, strict=True):
        assert (feature["type"], feature["properties"]["source_id"]) == ("Feature", event["source_id"])
        if event["status"] == "error":
            assert feature["geometry"] is None
            assert "cannot be decoded" in feature["properties"]["error"]
        else:
            lon, lat = event["location"]["lon"], event["location"]["lat"]
            assert feature["geometry"] == {"type": "Point", "coordinates": [lon, lat]}
    assert document["features"][1]["geometry"]["coordinates"] == [-100.0, 45.0]


def test_an_empty_geojson_is_a_collection_too(tmp_path):
    assert json.loads(_written(tmp_path / "a.geojson", Format.GEOJSON, [])) == {
        "type": "FeatureCollection",
        "features": [],
    }


def test_csv_has_one_row_an_event(tmp_path, events):
    rows = list(csv.DictReader(_written(tmp_path / "a.csv", Format.CSV, events).splitlines()))
    assert tuple(rows[0]) == tuple(column.name for column in COLUMNS)
    assert [row["status"] for row in rows] == ["located", "located", "located", "error", "located"]
    assert (rows[1]["lat"], rows[1]["lon"], rows[1]["country"], rows[1]["error"]) == ("45.0", "-100.0", "Verda", "")
    assert (rows[3]["lat"], rows[3]["lon"]) == ("", "")
    assert "cannot be decoded" in rows[3]["error"]


@pytest.mark.parametrize("kind", Format)
def test_a_file_name_that_is_no_utf_8_survives(tmp_path, locator, kind):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b'/caf\xe9,"\n.png'))
    write_colour(tmp_path / "a.png", COLOURS["Rubra"]).rename(path)
    text = _written(tmp_path / "out", kind, geotag([path], locator, LIMIT))
    assert text.isprintable() or "\n" in text
    if kind is Format.CSV:
        [row] = csv.DictReader(text.splitlines(keepends=True))
        assert row["source_id"] == str(path).replace("\udce9", "\\udce9")
        return
    document = json.loads(text)
    found = document["source_id"] if kind is Format.JSONL else document["features"][0]["properties"]["source_id"]
    assert os.fsencode(found) == os.fsencode(path)


@pytest.mark.parametrize("kind", Format)
def test_nothing_appears_when_the_run_dies_in_the_middle(tmp_path, events, kind):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").write_text("old")
    for name in ("new", "old"):
        with pytest.raises(KeyboardInterrupt):
            _die_in_the_middle(folder / name, kind, events)
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert (folder / "old").read_text() == "old"


def _die_in_the_middle(path, kind, events):
    with events_file(path, kind) as write:
        write(events[0])
        raise KeyboardInterrupt


def test_a_pipe_is_written_to(tmp_path, events):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    with events_file(tmp_path / "pipe", Format.JSONL) as write:
        write(events[0])
    reader.join(10)
    assert read == [json_line(events[0])]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_is_written_to_and_stays(events, capsys, name):
    with events_file(Path(name), Format.JSONL) as write:
        write(events[0])
    assert capsys.readouterr().out == json_line(events[0])
    assert not sys.stdout.closed


def test_a_link_stays_one_and_its_target_is_replaced(tmp_path, events):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    _written(tmp_path / "link", Format.JSONL, events)
    assert (tmp_path / "link").is_symlink()
    assert len((tmp_path / "real").read_text().splitlines()) == 5


@pytest.mark.parametrize("place", ["folder", "file/a.jsonl"])
def test_an_output_that_cannot_be_written_says_so_and_harms_nothing(tmp_path, events, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").touch()
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UsageError, match=rf"{place}: cannot be written \(.*\); name another file"):
        _written(tmp_path / place, Format.JSONL, events)
    assert (tmp_path / "folder" / "kept").exists()
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.GeoJSON", "geojson"),
        ("a.json", "geojson"),
        ("a.csv", "csv"),
    ],
)
def test_a_name_asks_for_a_format(name, kind):
    assert format_of(Path(name)) is Format(kind)


@pytest.mark.parametrize("name", ["a.kml", "a"])
def test_another_suffix_is_refused(name):
    with pytest.raises(UsageError, match=r"no known format ends in \..*; say --format jsonl, geojson or csv"):
        format_of(Path(name))


def test_a_summary_counts_and_takes_the_median(events):
    summary = Summary()
    for event, distance_m in zip(events, (1000, 3000, None, None, 1_400_000), strict=True):
        summary.add({**event, "gps": {"distance_m": distance_m}} if distance_m else event)
    assert str(summary) == "4 located, 1 failed, median 3.0 km from the GPS of the 3 that have one"
    assert "cannot be decoded" in summary.errors[0]
    assert str(Summary()) == "0 located, 0 failed"
