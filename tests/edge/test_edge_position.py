"""The positions that other programs write, each of which a user has met."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from pigeon_edge.images.photograph import read_gps, read_photograph
from pigeon_edge.images.position import UnclearPositionError, exif_degrees, xmp_degrees
from pigeon_edge.images.preprocess import PreprocessSpec

SPEC = PreprocessSpec(16)
NAN = float("nan")
TOWER = (48.858333, 2.294444)


@pytest.mark.parametrize(
    ("parts", "reference", "degrees"),
    [
        ((48, 51, 30), "N", 48.858333),
        ((48, 51, NAN), "N", 48.85),
        (48.858333, "N", 48.858333),
        ((48.858333,), "S", -48.858333),
        ((48, 51.5), "N", 48.858333),
        ((48.858333, NAN, NAN), "N", 48.858333),
        ((-33, -30, 0), None, -33.5),
        ((-33, 30, 0), "", -33.5),
        ((-33, 30, 0), "S", -33.5),
        ((48, 51, 30), "s", -48.858333),
        ((48, 51, 30), "South\0", -48.858333),
        ((48, 51, 30), b"N\0", 48.858333),
    ],
)
def test_angles_that_can_be_known(parts, reference, degrees):
    assert exif_degrees(parts, reference, "NS") == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(
    ("parts", "reference", "problem"),
    [
        ((48, 51, 30), None, "no N or S, so that its sign cannot be known"),
        ((48, 51, 30), "?", "reference is '?', expected N or S"),
        ((48, 51, 30), "E", "reference is 'E', expected N or S"),
        ((-48, 51, 30), "N", "a negative number with reference N"),
        ((NAN, NAN, NAN), "N", "degrees are nan, nan, nan"),
        ((), "N", "degrees are empty"),
    ],
)
def test_angles_that_cannot_be_known_say_why(parts, reference, problem):
    with pytest.raises(UnclearPositionError) as raised:
        exif_degrees(parts, reference, "NS")
    assert str(raised.value) == problem


@given(st.floats(-90, 90, allow_nan=False))
def test_degrees_in_three_parts_are_the_degrees(degrees):
    size = abs(degrees)
    whole, minutes = int(size), int(size % 1 * 60)
    seconds = (size - whole - minutes / 60) * 3600
    assert exif_degrees((whole, minutes, seconds), "S" if degrees < 0 else "N", "NS") == pytest.approx(degrees)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("48,51.5N", 48.858333), ("48,51,30N", 48.858333), ("35,0.73s", -35.012167), ("-33.5", -33.5), ("48.5N", 48.5)],
)
def test_coordinates_of_xmp(text, degrees):
    assert xmp_degrees(text, "NS") == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(("text", "problem"), [("48.5", "no N or S"), ("north", "found 'north'"), ("48,51.5E", "'E'")])
def test_coordinates_of_xmp_that_cannot_be_known(text, problem):
    with pytest.raises(UnclearPositionError, match=problem):
        xmp_degrees(text, "NS")


def _write(path, tags, xmp=None):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(tags)
    more = {"xmp": xmp.encode()} if xmp else {}
    Image.new("RGB", (20, 20)).save(path, exif=exif.tobytes(), **more)
    return path


def _position(tmp_path, tags, xmp=None):
    return read_photograph(_write(tmp_path / "a.jpg", tags, xmp), SPEC).position


NORTH = {1: "N", 2: (48.0, 51.0, 30.0)}
EAST = {3: "E", 4: (2.0, 17.0, 40.0)}


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ({2: (48.0, 51.0, 30.0), **EAST}, "EXIF: latitude: no N or S, so that its sign cannot be known"),
        ({**NORTH, 4: (2.0, 17.0, 40.0)}, "EXIF: longitude: no E or W, so that its sign cannot be known"),
        (NORTH, "EXIF: no longitude"),
        ({1: "N", 2: (91.0, 0.0, 0.0), **EAST}, "EXIF: latitude 91 is beyond 90 degrees"),
        ({**NORTH, 3: "E", 4: (181.0, 0.0, 0.0)}, "EXIF: longitude 181 is beyond 180 degrees"),
    ],
)
def test_a_position_that_cannot_be_known_is_not_absent(tmp_path, tags, problem):
    position = _position(tmp_path, tags)
    assert (position.lat_lng, position.problem) == (None, problem)
    assert read_gps(tmp_path / "a.jpg") is None


@pytest.mark.parametrize(
    "tags",
    [{}, {29: "2024:01:01"}, {1: "N", 3: "E"}, {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}],
    ids=["nothing", "a date", "references", "no fix"],
)
def test_no_position_is_none(tmp_path, tags):
    assert _position(tmp_path, tags) is None


def test_an_unknown_denominator_is_an_unknown_part(tmp_path):
    path = _write(tmp_path / "a.jpg", {1: "N", 2: (12.0, 7.0, 0.0), 3: "E", 4: (100.0, 0.0, 0.0)})
    content, seven = path.read_bytes(), struct.pack("<II", 7, 1)
    assert content.count(seven) == 1
    path.write_bytes(content.replace(seven, struct.pack("<II", 0, 0)))
    assert read_gps(path) == (12, 100)


XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:q="http://ns.adobe.com/exif/1.0/"
 {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
AS_ATTRIBUTES = XMP.format(attributes='q:GPSLatitude="48,51.5N" q:GPSLongitude="2,17.66664W"', elements="")
AS_ELEMENTS = XMP.format(
    attributes="", elements="<q:GPSLatitude>48,51,30N</q:GPSLatitude><q:GPSLongitude>2,17,40W</q:GPSLongitude>"
)
HALF = XMP.format(attributes='q:GPSLatitude="48,51.5N"', elements="")


@pytest.mark.parametrize("xmp", [AS_ATTRIBUTES, AS_ELEMENTS], ids=["attributes", "elements"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_xmp_is_read_where_exif_says_nothing(tmp_path, xmp, suffix):
    path = tmp_path / f"a.{suffix}"
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp)
    more = {"pnginfo": info} if suffix == "png" else {"xmp": xmp.encode()}
    Image.new("RGB", (20, 20)).save(path, **more)
    position = read_photograph(path, SPEC).position
    assert position.lat_lng == pytest.approx((48.858333, -2.294444), abs=1e-6)
    assert position.source == "xmp"


def test_exif_goes_before_xmp_even_where_it_cannot_be_known(tmp_path):
    position = _position(tmp_path, {**NORTH, **EAST}, AS_ATTRIBUTES)
    assert (position.source, position.lat_lng) == ("exif", pytest.approx(TOWER, abs=1e-6))
    assert _position(tmp_path, NORTH, AS_ATTRIBUTES).problem == "EXIF: no longitude"


def test_half_a_position_in_xmp_says_so(tmp_path):
    assert _position(tmp_path, {}, HALF).problem == "XMP: no longitude"


@pytest.mark.parametrize("xmp", ["<broken", "no xml", "<!DOCTYPE x>" + AS_ELEMENTS.partition("?>")[2]])
def test_a_broken_packet_says_nothing(tmp_path, xmp):
    assert _position(tmp_path, {}, xmp) is None


def test_kinds_of_position_that_real_programs_write(shared_cases):
    right = {
        "00_plain": TOWER, "01_seconds_0_0": (48.85, 2.283333), "03_one_rational": TOWER,
        "03b_two_rationals": (48.858333, 2.2945), "05_srational": TOWER,
        "05b_srational_negative_noref": (-33.5, -70.75), "06b_ref_lower": (-48.858333, -2.294444),
        "11_double": TOWER, "13_minutes_den0": TOWER,
    }  # fmt: skip
    found = {path.stem: read_photograph(path, SPEC).position for path in sorted((shared_cases / "gps").iterdir())}
    assert {name: found[name].lat_lng for name in right} == {
        name: pytest.approx(lat_lng, abs=1e-5) for name, lat_lng in right.items()
    }
    assert "no N or S" in found["02_no_ref"].problem
    assert "no N or S" in found["02b_no_latref"].problem
