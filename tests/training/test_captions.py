"""Captions: wording, chances, order, and what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pigeon_edge.answer.climates import CLIMATE_LABELS
from pigeon_edge.errors import InputError
from pigeon_edge.manifest import PhotoRow
from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.geography.climate_names import climate_phrase
from pigeon_training.learning.contrast.caption_facts import read_facts
from pigeon_training.learning.contrast.captions import (
    NOTHING_MORE,
    CaptionFacts,
    CaptionStyle,
    caption,
    quarter,
    with_article,
)

PIGEON, PIGEOTTO, STREETCLIP = CaptionStyle
ROW = PhotoRow(Path("/a/1.jpg"), 48.0, 2.0, "p1", month=4, heading_deg=91.0, country="France", admin1="Bretagne")
FACTS = CaptionFacts("Brest", "Cfb", "right")
PROSE = "This location has a temperate climate without a dry season and with warm summers."
LOCATION = "A Street View photo close to the town of Brest in the region of Bretagne in France."
COUNT = 4000


def many(style, row=ROW, facts=FACTS):
    return [caption(row, facts, style, 0, epoch) for epoch in range(COUNT)]


def share(captions, words):
    return sum(words in text for text in captions) / len(captions)


def test_streetclip_says_the_same_every_time():
    assert set(many(STREETCLIP)[:50]) == {LOCATION}


def test_caption_is_a_function_of_seed_names_and_epoch():
    assert caption(ROW, FACTS, PIGEON, 3, 5) == caption(replace(ROW, path=Path("/b/1.jpg")), FACTS, PIGEON, 3, 5)
    assert len({caption(ROW, FACTS, PIGEON, seed, 0) for seed in range(60)}) > 20
    assert len({caption(replace(ROW, place_id=str(n)), FACTS, PIGEON, 0, 0) for n in range(60)}) > 20


def test_pigeon_keeps_each_part_as_often_as_published():
    captions = many(PIGEON)
    expected = {
        PROSE: 0.4,
        "In this location, people drive on the right side of the road.": 0.3 * 0.6,  # only where no climate is told
        "This photo is facing east.": 0.3,
        "The photo was taken in April.": 0.3,
        "A Street View photo": 1 - 0.4 * 0.3,  # dropped only where a climate is told
    }
    assert {words: pytest.approx(chance, abs=0.03) for words, chance in expected.items()} == {
        words: share(captions, words) for words in expected
    }
    located = [text for text in captions if text.startswith("A Street View photo")]
    assert share(located, " in the region of Bretagne") == pytest.approx(0.6, abs=0.03)
    assert share(located, " close to the town of Brest") == pytest.approx(0.4, abs=0.03)
    assert share(located, " in France.") == 1.0


def test_pigeotto_keeps_each_part_as_often_as_published():
    captions = many(PIGEOTTO)
    assert share(captions, "This location has a temperate oceanic climate.") == pytest.approx(0.45, abs=0.03)
    assert share(captions, "drive on the right") == pytest.approx(0.2 * 0.55, abs=0.03)
    located = [text for text in captions if text.startswith("A photo I took")]
    assert len(located) / COUNT == pytest.approx(1 - 0.45 * 0.2, abs=0.03)
    assert share(located, "A photo I took close to the town of Brest in the region of Bretagne in France.") == 1.0
    assert share(captions, "facing") == share(captions, "taken in") == 0.0


def test_climate_and_driving_side_never_stand_together():
    for style in (PIGEON, PIGEOTTO):
        assert not [text for text in many(style) if "climate" in text and "drive" in text]


def test_location_comes_first_and_the_others_in_every_order():
    orders = Counter(
        "month first" if text.index("taken") < text.index("facing") else "heading first"
        for text in many(PIGEON)
        if "taken" in text and "facing" in text
    )
    assert 0.7 < orders["month first"] / orders["heading first"] < 1.4
    assert not [text for text in many(PIGEON) if "A Street View" in text and not text.startswith("A Street View")]


def test_what_a_row_lacks_is_left_out():
    bare = PhotoRow(Path("1.jpg"), 1.0, 1.0, "p")
    assert set(many(PIGEON, bare, NOTHING_MORE)) == {"A Street View photo."}
    assert set(many(PIGEOTTO, replace(bare, country="Peru"), NOTHING_MORE)) == {"A photo I took in Peru."}
    assert set(many(STREETCLIP, replace(bare, admin1="X"), NOTHING_MORE)) == {"A Street View photo."}
    only_climate = many(PIGEON, replace(bare, country="Peru"), CaptionFacts(climate="BWh"))
    assert share(only_climate, "This location has an arid and hot desert climate.") == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Netherlands", "the Netherlands"), ("United States of America", "the United States of America"),
        ("Czech Republic", "the Czech Republic"), ("Faroe Islands", "the Faroe Islands"),
        ("The Gambia", "the Gambia"), ("the Bahamas", "the Bahamas"), ("France", "France"),
        ("Democratic Republic of the Congo", "the Democratic Republic of the Congo"), ("Iceland", "Iceland"),
    ],
)  # fmt: skip
def test_country_names_take_the_article_that_english_gives_them(name, expected):
    assert with_article(name) == expected
    row = replace(ROW, country=name)
    assert f" in {expected}." in caption(row, FACTS, PIGEOTTO, 0, 1)
    assert caption(row, FACTS, STREETCLIP, 0, 0).endswith(f" in {name}.")


@pytest.mark.parametrize(
    ("heading_deg", "expected"),
    [(0, "north"), (44.9, "north"), (45, "east"), (135, "south"), (225, "west"), (315, "north"), (359.99, "north"),
     (-90, "west"), (450, "east"), (-1e-14, "north")],
)  # fmt: skip
def test_heading_falls_into_the_nearest_quarter(heading_deg, expected):
    assert quarter(heading_deg) == expected


def test_facts_are_read_from_columns_that_are_there(tmp_path):
    (tmp_path / "m.csv").write_text("path,lat,lng,town,driving_side\na.jpg,1,1, Brest ,left\nb.jpg,1,1,,\n", "utf-8")
    facts = read_facts(tmp_path / "m.csv")
    assert facts == {
        tmp_path / "a.jpg": CaptionFacts(town="Brest", driving_side="left"),
        tmp_path / "b.jpg": NOTHING_MORE,
    }


def test_every_climate_has_words_of_its_own():
    phrases = [climate_phrase(code) for code in CLIMATES]
    assert len(set(phrases)) == len(CLIMATES) - 1  # As and Aw differ in the season of the drought alone
    assert set(CLIMATE_LABELS) == set(CLIMATES)
    assert climate_phrase("Dfc") == "a cold climate without a dry season and with cold summers"
    assert climate_phrase("ET") == "a polar tundra climate"
    assert "has an ice cap climate." in " ".join(many(PIGEOTTO, ROW, CaptionFacts(climate="EF")))


def test_climate_that_is_none_is_refused(tmp_path):
    (tmp_path / "m.csv").write_text("path,lat,lng,climate\na.jpg,1,1,mild\n", "utf-8")
    with pytest.raises(InputError, match=r"m\.csv:2: expected a Koeppen-Geiger class in climate, found 'mild'"):
        read_facts(tmp_path / "m.csv")


def test_driving_side_that_is_none_is_refused(tmp_path):
    (tmp_path / "m.csv").write_text("path,lat,lng,driving_side\na.jpg,1,1,middle\n", "utf-8")
    with pytest.raises(InputError, match=r"m\.csv:2: expected driving_side left or right, found 'middle'"):
        read_facts(tmp_path / "m.csv")
