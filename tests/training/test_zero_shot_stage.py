"""``train search`` and ``train label``: the caption that fits is named, broken photographs are reported."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from pigeon_edge.errors import InputError, PartialFailureError, UsageError
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.testing import write_colour
from pigeon_training.cli import app
from pigeon_training.model.clip_folder import load_clip
from pigeon_training.model.geocell_model import normalise, planes
from pigeon_training.study.zero_shot import classify as zero_shot_stage
from pigeon_training.study.zero_shot.classify import embedded, label_photographs, search_photographs
from pigeon_training.testing import write_tiny_clip

PLACES = (
    "name,admin1,country,country_code,lat,lng,population\n"
    "Brest,Bretagne,France,FR,48.4,-4.5,140000\nRennes,Bretagne,France,FR,48.1,-1.7,220000\n"
    "Lille,Nord,France,FR,50.6,3.1,230000\nSuva,,Fiji,FJ,-18.1,178.4,90000\n"
)
COLOURS = {"red": (240, 10, 10), "green": (10, 240, 10), "blue": (10, 10, 240)}
AXES = {name: number for number, name in enumerate(("red", "green", "blue"))}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_tiny_clip(tmp_path_factory.mktemp("clips") / "clip"))


@pytest.fixture
def places(tmp_path):
    (tmp_path / "cities.csv").write_text(PLACES)
    return tmp_path / "cities.csv"


@pytest.fixture
def photographs(tmp_path):
    return [write_colour(tmp_path / "photographs" / f"{name}.png", rgb) for name, rgb in COLOURS.items()]


@pytest.fixture
def by_colour(monkeypatch):
    """Make an image's embedding its mean colour, and a caption's the axis of the colour that is made its meaning."""

    def image_embedding(model, pixels, spec):
        return planes(pixels).mean(dim=(2, 3))

    def captions_of(meaning):
        def embed_captions(model, tokenizer, captions):
            return np.stack([np.eye(3, dtype=np.float32)[AXES[meaning(caption)]] for caption in captions])

        monkeypatch.setattr(zero_shot_stage, "embed_captions", embed_captions)
        monkeypatch.setattr("pigeon_training.study.zero_shot.search.embed_captions", embed_captions)

    monkeypatch.setattr(zero_shot_stage, "image_embedding", image_embedding)
    return captions_of


def test_photograph_is_found_where_its_colour_is(by_colour, model, places, photographs):
    colour_of = {"Suva": "blue", "Fiji": "blue", "Lille": "green", "Nord": "green"}
    by_colour(lambda caption: next((c for word, c in colour_of.items() if word in caption), "red"))
    red, green, blue = search_photographs(model, places, None, photographs, print)
    assert (red["place"]["country"], red["place"]["admin1"]) == ("France", "Bretagne")
    assert blue["place"] == {"country_code": "FJ", "country": "Fiji", "admin1": "", "town": "Suva"}
    assert blue["location"] == {"lat": -18.1, "lon": 178.4, "datum": "WGS84"}
    assert blue["probability"]["country"] > 0.99
    assert blue["probability"]["town"] == 1.0
    assert green["probability"]["country"] == pytest.approx(0.5)  # neither country's caption is green
    assert red["probability"]["town"] == pytest.approx(0.5)  # Rennes and Brest are as red
    assert [record["status"] for record in (red, green, blue)] == ["located"] * 3


def test_label_that_fits_is_the_most_probable(by_colour, model, photographs):
    by_colour(lambda caption: caption.split()[-1])
    labels = ["a photo of red", "a photo of blue"]
    found = [record["probability"] for record in label_photographs(model, labels, photographs)]
    assert found[0]["a photo of red"] > 0.99
    assert found[2]["a photo of blue"] > 0.99
    assert found[1] == {"a photo of red": 0.5, "a photo of blue": 0.5}


def test_embedding_is_that_of_transformers(model, photographs):
    clip = load_clip(model)
    vectors = dict(embedded(clip, photographs))
    for path in photographs:
        pixels = torch.from_numpy(np.stack([read_pixels(path, clip.spec)]))
        with torch.inference_mode():
            features = clip.model.get_image_features(pixel_values=normalise(planes(pixels), clip.spec))
        expected = getattr(features, "pooler_output", features)[0].numpy()
        np.testing.assert_allclose(vectors[path], expected / np.linalg.norm(expected), atol=1e-5)


def test_broken_photographs_keep_their_place_among_many(model, tmp_path):
    paths = []
    for number in range(70):
        paths.append(write_colour(tmp_path / f"{number}.png", (number * 3, 255 - number, 40)))
        if number % 9 == 4:
            paths[-1].write_bytes(b"no image")
    records = list(label_photographs(model, ["day", "night"], paths))
    assert [record["source_id"] for record in records] == [str(path) for path in paths]
    assert [number for number, record in enumerate(records) if record["status"] == "error"] == list(range(4, 70, 9))
    (alone,) = label_photographs(model, ["day", "night"], [paths[60]])
    assert alone["probability"] == pytest.approx(records[60]["probability"], abs=2e-4)


@pytest.mark.parametrize("labels", [[], ["a city"], ["a city", "a city"], ["a", "b", "a"]])
def test_too_few_labels_are_refused(model, labels):
    with pytest.raises(UsageError, match="expected two different labels or more"):
        next(label_photographs(model, labels, []))


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_search_command_prints_a_line_a_photograph(model, places, photographs):
    result = run("search", photographs[0].parent, "--model", model, "--places", places)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == sorted(map(str, photographs))
    assert all(line.endswith(("48.4000, -4.5000", "48.1000, -1.7000", "50.6000, 3.1000", "-18.1000, 178.4000"))
               for line in lines)  # fmt: skip
    assert "embedding the captions of 4 towns" in result.stderr
    fewer = run("search", photographs[0], "--model", model, "--places", places, "--per-country", "1")
    assert "embedding the captions of 2 towns" in fewer.stderr


def test_search_command_reports_broken_photographs_and_goes_on(model, places, photographs):
    photographs[1].write_bytes(b"no image")
    result = run("search", *photographs, "--model", model, "--places", places, "--json")
    assert isinstance(result.exception, PartialFailureError)
    assert result.exception.exit_code == 3
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["status"] for record in records] == ["located", "error", "located"]
    assert "green.png: expected an image" in records[1]["error"]
    assert "green.png: expected an image" in result.stderr
    assert set(records[0]["probability"]) == {"country", "admin1", "town"}


def test_label_command_prints_the_best_label_first(model, photographs):
    labels = ("a photo of a city", "a photo of the countryside", "a photo of the sea")
    result = run("label", photographs[0], "--model", model, *(word for name in labels for word in ("--label", name)))
    assert result.exit_code == 0, result.output
    told = result.stdout.strip().split(": ")[1].split(", ")
    chances = [int(part.rsplit(" ", 1)[1].rstrip("%")) for part in told]
    assert chances == sorted(chances, reverse=True)
    assert {part.rsplit(" ", 1)[0] for part in told} == set(labels)


def test_what_is_not_there_is_said(model, places, photographs, tmp_path):
    assert isinstance(run("search", "none.png", "--model", model, "--places", places).exception, InputError)
    (tmp_path / "empty").mkdir()
    for arguments in (("--model", tmp_path / "empty", "--places", places), ("--model", model, "--places", "none.csv")):
        assert isinstance(run("search", photographs[0], *arguments).exception, InputError)


def test_photographs_of_any_size_and_mode_are_taken(model, tmp_path):
    Image.new("L", (3, 90), 40).save(tmp_path / "narrow.png")
    (record,) = label_photographs(model, ["day", "night"], [tmp_path / "narrow.png"])
    assert sum(record["probability"].values()) == pytest.approx(1.0, abs=1e-3)
