"""Zero-shot search: the table of places, captions embedded once, and the way down country, region, town."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pigeon_edge.errors import InputError
from pigeon_training.model.clip_folder import load_clip
from pigeon_training.study.zero_shot.places import Town, most_populous, read_places
from pigeon_training.study.zero_shot.search import Hierarchy, embed_captions, embed_hierarchy, search, town_captions
from pigeon_training.testing import write_tiny_clip

HEADER = "name,admin1,country,country_code,lat,lng,population\n"
TOWNS = [
    Town("Brest", "Bretagne", "France", "FR", 48.4, -4.5, 140_000),
    Town("Rennes", "Bretagne", "France", "FR", 48.1, -1.7, 220_000),
    Town("Lille", "Nord", "France", "FR", 50.6, 3.1, 230_000),
    Town("Suva", "", "Fiji", "FJ", -18.1, 178.4, 90_000),
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return load_clip(str(write_tiny_clip(tmp_path_factory.mktemp("clip"))))


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def test_places_are_read_most_populous_first_and_namesakes_once(tmp_path):
    table = write(
        tmp_path / "c.csv",
        HEADER + "Nadi,,Fiji,FJ,-17.8,177.4,40000\nSuva,,Fiji,FJ,-18.1,178.4,90000\nNadi,,Fiji,FJ,-17.7,177.5,50000\n",
    )
    towns = read_places(table)
    assert [(town.name, town.population) for town in towns] == [("Suva", 90_000), ("Nadi", 50_000)]
    assert (towns[0].lat, towns[0].lng, towns[0].place.country) == (-18.1, 178.4, "Fiji")


def test_places_need_no_region_code_or_population(tmp_path):
    (town,) = read_places(write(tmp_path / "c.csv", "name,country,lat,lng\nSuva,Fiji,-18.1,178.4\n"))
    assert (town.admin1, town.country_code, town.population) == ("", "", 0)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Suva,,Fiji,FJ,x,178.4,1", r"c\.csv:2: expected name, country, lat and lng"),
        ("Suva,,Fiji,FJ,0,0,1", r"c\.csv:2: .* is no place that was meant"),
        ("Suva,,Fiji,FJ,91,0,1", r"c\.csv:2: .* is no place that was meant"),
        (",,Fiji,FJ,1,1,1", r"c\.csv:2: .* is no place that was meant"),
        ("", "found no rows"),
    ],
)
def test_table_that_cannot_be_meant_is_refused(tmp_path, row, words):
    with pytest.raises(InputError, match=words):
        read_places(write(tmp_path / "c.csv", HEADER + row))


def test_missing_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a table of places"):
        read_places(tmp_path / "nowhere.csv")


def test_most_populous_towns_of_each_country_are_kept():
    assert [town.name for town in most_populous(TOWNS, 1)] == ["Lille", "Suva"]
    assert [town.name for town in most_populous(TOWNS, 2)] == ["Lille", "Rennes", "Suva"]


def test_captions_of_towns_are_streetclips():
    assert town_captions(TOWNS[2:]) == [
        "A Street View photo close to the town of Lille in the region of Nord in France.",
        "A Street View photo close to the town of Suva in Fiji.",
    ]


def test_captions_are_embedded_as_transformers_does(clip):
    captions = town_captions(TOWNS)
    found = embed_captions(clip.model, clip.tokenizer, captions)
    tokens = clip.tokenizer(captions[0], return_tensors="pt")
    with torch.inference_mode():
        features = clip.model.get_text_features(**tokens)
    expected = getattr(features, "pooler_output", features)[0].numpy()
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_hierarchy_has_every_region_of_every_country(clip):
    hierarchy = embed_hierarchy(clip.model, clip.tokenizer, TOWNS)
    assert (len(hierarchy.country), len(hierarchy.region), len(hierarchy.town)) == (2, 3, 4)
    assert hierarchy.country_of_region.tolist() == [0, 0, 1]
    assert hierarchy.region_of_town.tolist() == [0, 0, 1, 2]


def test_search_goes_down_from_the_best_country_and_never_leaves_it():
    axes = np.eye(8, dtype=np.float32)
    hierarchy = Hierarchy(
        country=axes[:2], region=axes[2:5], town=axes[[5, 6, 7, 5]],
        country_of_region=np.array([0, 0, 1]), region_of_town=np.array([0, 0, 1, 2]),
    )  # fmt: skip
    # The first photograph looks like country 0, region 1; its best town by far would be town 0, of region 0.
    photographs = np.array([[1, 0, 0, 0.5, 0, 9, 0, 0], [0, 1, 9, 9, 0, 0, 9, 0]], np.float32)
    found = search(hierarchy, photographs, 1.0)
    assert found.country.tolist() == [0, 1]
    assert found.region.tolist() == [1, 2]
    assert found.town.tolist() == [2, 3]
    assert found.country_chance.tolist() == pytest.approx([1 / (1 + np.exp(-1))] * 2)
    assert found.town_chance.tolist() == [1.0, 1.0]


def test_a_photograph_that_is_a_caption_is_found_there(clip):
    hierarchy = embed_hierarchy(clip.model, clip.tokenizer, TOWNS)
    found = search(hierarchy, hierarchy.country, 100.0)
    assert found.country.tolist() == [0, 1]
    assert found.town[1] == 3
