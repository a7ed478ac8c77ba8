from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pigeon_edge.errors import InputError
from pigeon_edge.events import event
from pigeon_edge.geodesy import LatLng, haversine_km
from pigeon_edge.images.position import Position
from pigeon_edge.locator import open_locator
from pigeon_edge.retrieval.published import PaperRefinement
from pigeon_edge.sinks.files import json_line
from pigeon_edge.testing import TINY_CENTROIDS, FakeEncoder

RED, GREEN, BLUE = (250, 5, 5), (5, 250, 5), (5, 5, 250)


def _of_one_colour(*colours):
    return np.stack([np.full((16, 16, 3), colour, np.uint8) for colour in colours])


def _strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_colours_are_where_they_belong_in_the_order_given(locator):
    estimates = locator.locate(_of_one_colour(BLUE, RED, GREEN))
    assert [estimate.place.country for estimate in estimates] == ["Blua", "Rubra", "Verda"]
    for estimate, centroid in zip(estimates, TINY_CENTROIDS[[2, 0, 1]], strict=True):
        assert haversine_km(estimate.lat_lng, centroid) < 1


@pytest.mark.parametrize(("colour", "row", "point"), [((250, 25, 25), 0, (10, 10)), ((250, 83, 28), 1, (12, 11))])
def test_the_nearest_photograph_of_the_cell_answers(locator, colour, row, point):
    [estimate] = locator.locate(_of_one_colour(colour))
    assert estimate.refinement.photograph == row
    assert estimate.lat_lng == pytest.approx(point, abs=1e-5)
    assert estimate.refinement.moved_km == pytest.approx(float(haversine_km((10, 10), point)), abs=1e-2)


def test_candidates_are_best_first_and_their_shares_sum_to_1(locator):
    [estimate] = locator.locate(_of_one_colour((150, 100, 5)))
    shares = [candidate.share for candidate in estimate.candidates]
    assert [candidate.cell for candidate in estimate.candidates] == [0, 1]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert estimate.candidates[0].probability == estimate.levels.cell
    assert estimate.candidates[0].lat_lng == estimate.lat_lng


def test_an_unsure_photograph_has_the_wider_radius(locator):
    sure, unsure = locator.locate(_of_one_colour(RED, (100, 95, 90)))
    assert sure.levels.cell > 0.99
    assert unsure.levels.cell < 0.7
    assert unsure.radius_km > sure.radius_km > 0
    assert unsure.radius_coverage == 0.9


def test_a_move_that_is_cancelled_is_told_as_none(locator):
    [estimate] = replace(locator, refinement=PaperRefinement(max_move_km=100)).locate(_of_one_colour((250, 83, 28)))
    assert estimate.refinement.photograph is None
    assert estimate.lat_lng == pytest.approx((10, 10))


def test_one_by_one_and_all_at_once_agree(locator):
    pixels = np.random.default_rng(3).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    together = locator.locate(pixels)
    assert [e.place for e in together] == [locator.locate(one[None])[0].place for one in pixels]


def test_the_fake_encoder_and_the_engine_give_one_answer(tiny, locator):
    pixels = _of_one_colour(RED, GREEN, (90, 10, 120))
    fake = replace(locator, encoder=FakeEncoder())
    for a, b in zip(open_locator(tiny).locate(pixels), fake.locate(pixels), strict=True):
        assert a.lat_lng == b.lat_lng
        assert a.radius_km == pytest.approx(b.radius_km)
        assert a.levels.cell == pytest.approx(b.levels.cell, abs=1e-5)


def test_an_event_is_this_document(locator):
    [estimate] = locator.locate(_of_one_colour(GREEN))
    assert event.located("a.jpg", estimate, "tiny@0123") == {
        "schema": "pigeon-edge/event@2",
        "source_id": "a.jpg",
        "status": "located",
        "location": {
            "lat": 45.0,
            "lon": -100.0,
            "datum": "WGS84",
            "radius_m": round(float(haversine_km((45, -100), (10, 10))) * 500),  # half the way to the next centroid
            "radius_coverage": 0.9,
            "radius_50_m": round(float(haversine_km((45, -100), (10, 10))) * 500),
            "within_m": None,
        },
        "place": {"country_code": "XV", "country": "Verda", "admin1": "Plain"},
        "levels": {"country": 1.0, "admin1": 1.0, "cell": 1.0},
        "candidates": [
            {
                "lat": 45.0,
                "lon": -100.0,
                "probability": 1.0,
                "share": 1.0,
                "cell": 1,
                "place": {"country_code": "XV", "country": "Verda", "admin1": "Plain"},
            },
            {
                "lat": 12.0,
                "lon": 11.0,
                "probability": 0.0,
                "share": 0.0,
                "cell": 0,
                "place": {"country_code": "XR", "country": "Rubra", "admin1": "North"},
            },
        ],
        "refinement": {"applied": True, "moved_m": 0, "photograph": 2},
        "model": {"bundle": "tiny@0123"},
    }


def test_a_failure_is_this_document():
    assert event.failed("a.jpg", InputError("a.jpg: no such file"), "tiny@0123") == {
        "schema": "pigeon-edge/event@2",
        "source_id": "a.jpg",
        "status": "error",
        "error": "a.jpg: no such file",
        "model": {"bundle": "tiny@0123"},
    }


def test_gps_adds_the_distance_to_it(locator):
    [estimate] = locator.locate(_of_one_colour(GREEN))
    told = event.with_position(event.located("a.jpg", estimate, "tiny"), Position("xmp", LatLng(46.0, -100.0), None))
    assert told["gps"] == {"lat": 46.0, "lon": -100.0, "source": "xmp", "distance_m": 111195}


def test_events_are_strict_json_on_one_line(locator):
    for estimate in locator.locate(_of_one_colour(RED, (0, 0, 0), (255, 255, 255))):
        line = json_line(event.located("line\nbreak", estimate, "tiny"))
        assert line.count("\n") == 1
        assert _strict(line)["source_id"] == "line\nbreak"


def test_a_number_that_is_none_is_never_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_line({"lat": float("nan")})


def test_coordinates_read_as_people_write_them():
    assert str(LatLng(-12.51, 100.1)) == "12.5100S 100.1000E"
    assert str(LatLng(12.51, -100.1)) == "12.5100N 100.1000W"
