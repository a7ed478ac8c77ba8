"""What a photograph tells of its surroundings: of a bundle whose graph has task outputs, and of one that has none."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pigeon_edge.answer.climates import CLIMATE_LABELS
from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.answer.environment import (
    LIMITS,
    EnvironmentSettings,
    Quantity,
    environments,
    season_of_months,
    settings_of_graph,
)
from pigeon_edge.answer.estimate import Environment, Guess
from pigeon_edge.bundle.format import open_bundle, seal
from pigeon_edge.bundle.parts import open_environment
from pigeon_edge.cli.surroundings import surroundings_lines
from pigeon_edge.encoders import Engine, open_encoder
from pigeon_edge.errors import BundleError, UsageError
from pigeon_edge.events import event
from pigeon_edge.locator import open_locator
from pigeon_edge.testing import write_tiny_bundle

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)

SETTINGS = EnvironmentSettings(
    (Quantity("elevation_m", 408.0), Quantity("population_per_km2", 1.0), Quantity("temperature_c", None)),
    ("Cfb", "BWh"),
    months=True,
)
ELEVATION_M, PEOPLE, TEMPERATURE_C = (2400, 15, -34), (3, 1234, 40), (-4.2, 11, 27)
"""Of a red, a green and a blue photograph."""


def heads_graph(colours: bytes) -> bytes:
    """Return the graph of colours with task outputs: a linear layer each on the embedding, whose axes are colours."""
    months = np.zeros((3, 12))
    months[[0, 1, 2], [0, 6, 6]] = 9.0  # red in January, green and blue in July
    weights = {
        "regressions": np.column_stack(
            [np.log(np.array(ELEVATION_M) + 408), np.log(np.array(PEOPLE) + 1), TEMPERATURE_C]
        ),
        "climate_logits": np.array([[2.0, 0], [0, 2], [0, 1]]),
        "month_logits": months,
    }
    model = onnx.load_from_string(colours)
    for name, weight in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(weight.astype(np.float32), f"{name}.weight"))
        model.graph.node.append(helper.make_node("MatMul", ["image_embedding", f"{name}.weight"], [name]))
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", weight.shape[1]]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def telling(tmp_path_factory, make_graph):
    """The tiny bundle with task outputs, to be read only."""
    folder = tmp_path_factory.mktemp("bundles") / "telling.pigeon"
    return write_tiny_bundle(folder, heads_graph(make_graph()), SETTINGS)


@pytest.fixture(scope="module")
def telling_locator(telling):
    return open_locator(telling, Engine.ONNXRUNTIME)


def of_colours(*colours):
    return np.stack([np.full((16, 16, 3), colour, np.uint8) for colour in colours])


@pytest.mark.parametrize("engine", [Engine.ONNXRUNTIME, Engine.OPENVINO], ids=str)
def test_engines_carry_the_task_outputs_that_a_graph_has(telling, tiny, engine):
    pytest.importorskip(engine.value)
    found = open_encoder(telling, engine).encode(of_colours(RED, GREEN)).tasks
    assert {name: values.shape for name, values in found.items()} == {
        "regressions": (2, 3), "climate_logits": (2, 2), "month_logits": (2, 12),
    }  # fmt: skip
    np.testing.assert_allclose(found["regressions"][:, 2], TEMPERATURE_C[:2], rtol=1e-5)
    assert open_encoder(tiny, engine).encode(of_colours(RED)).tasks == {}


def test_each_photograph_tells_its_own_surroundings(telling_locator):
    found = [estimate.environment for estimate in telling_locator.locate(of_colours(BLUE, RED, GREEN))]
    order = [2, 0, 1]
    assert [one.elevation_m for one in found] == pytest.approx([ELEVATION_M[n] for n in order], rel=1e-4)
    assert [one.population_per_km2 for one in found] == pytest.approx([PEOPLE[n] for n in order], rel=1e-4)
    assert [one.temperature_c for one in found] == pytest.approx([TEMPERATURE_C[n] for n in order], rel=1e-4)
    assert [one.climate.value for one in found] == ["BWh", "Cfb", "BWh"]
    assert found[0].climate.probability == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-4)
    assert [one.month.value for one in found] == [7, 1, 7]


def test_season_is_that_of_the_estimated_half_of_the_earth(telling_locator):
    red, green, blue = telling_locator.locate(of_colours(RED, GREEN, BLUE))
    assert (red.lat_lng.lat, red.environment.season) == (10.0, None)
    assert (green.lat_lng.lat, green.environment.season.value) == (45.0, "summer")
    assert (blue.lat_lng.lat < -29, blue.environment.season.value) == (True, "winter")
    assert green.environment.season.probability >= green.environment.month.probability > 0.9


def test_what_the_bundle_does_not_tell_is_absent(telling_locator, locator):
    [estimate] = telling_locator.locate(of_colours(GREEN))
    assert estimate.environment.precipitation_mm is estimate.environment.temperature_range_c is None
    told = estimate.to_json()["environment"]
    assert set(told) == {"elevation_m", "population_per_km2", "temperature_c", "climate", "month", "season"}
    [estimate] = locator.locate(of_colours(GREEN))
    assert estimate.environment is None
    assert "environment" not in event.located("a.jpg", estimate, "tiny")


def test_answer_is_the_same_with_and_without_surroundings(telling_locator, locator):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    for with_them, without in zip(telling_locator.locate(pixels), locator.locate(pixels), strict=True):
        document = with_them.to_json()
        assert document.pop("environment")["climate"]["value"] in ("Cfb", "BWh")
        assert document == without.to_json()


def test_surroundings_of_an_event_are_this_document():
    told = Environment(elevation_m=812.3456, temperature_c=-3.04, climate=Guess("Dfc", 0.61239), month=Guess(2, 0.5))
    assert told.to_json() == {
        "elevation_m": 812.3,
        "temperature_c": -3.0,
        "climate": {"value": "Dfc", "probability": 0.6124},
        "month": {"value": 2, "probability": 0.5},
    }


@given(st.sampled_from(sorted(LIMITS)), st.floats(0, 1), st.sampled_from([None, 1.0, 408.0, 450.5]))
def test_units_undo_the_logarithm(name, share, offset):
    low, high = LIMITS[name]
    value = max(low, 0.5 - (offset or 1000)) + share * (high - max(low, 0.5 - (offset or 1000)))
    learnt = value if offset is None else np.log(value + offset)
    assert Quantity(name, offset).in_units(float(learnt)) == pytest.approx(value, rel=1e-9, abs=1e-6)


@given(st.sampled_from(sorted(LIMITS)), st.floats(-1e30, 1e30), st.sampled_from([None, 1.0, 408.0]))
def test_no_value_beyond_what_there_is_on_land(name, value, offset):
    low, high = LIMITS[name]
    assert low <= Quantity(name, offset).in_units(value) <= high


@pytest.mark.parametrize(
    ("month", "lat", "season"),
    [
        (12, 50, "winter"), (1, 50, "winter"), (2, 50, "winter"), (3, 50, "spring"), (8, 50, "summer"),
        (9, 50, "autumn"), (11, 50, "autumn"), (12, -50, "summer"), (3, -50, "autumn"), (7, -24, "winter"),
    ],
)  # fmt: skip
def test_months_belong_to_seasons(month, lat, season):
    chances = np.full(12, 0.01)
    chances[month - 1] = 0.89
    assert season_of_months(chances, lat) == Guess(season, pytest.approx(0.91))
    assert season_of_months(chances, lat / 100) is None


def test_season_may_be_another_than_that_of_the_likeliest_month():
    chances = np.array([0.0, 0, 0, 0.4, 0, 0.2, 0.2, 0.2, 0, 0, 0, 0])
    assert season_of_months(chances, 60) == Guess("summer", pytest.approx(0.6))


def test_settings_survive_the_way_through_json():
    document = json.loads(json.dumps(SETTINGS.to_json()))
    assert EnvironmentSettings.from_json(document) == SETTINGS
    assert settings_of_graph({"pigeon_edge.environment": json.dumps(document)}) == SETTINGS
    assert settings_of_graph({"pigeon_edge.preprocess": "{}"}) is None
    assert SETTINGS.told == ("elevation_m", "population_per_km2", "temperature_c", "climate", "month", "season")


@pytest.mark.parametrize(
    ("quantities", "climates", "months"),
    [((("height", 1.0),), (), False), ((("elevation_m", 1.0), ("elevation_m", 2.0)), (), False), ((), (), False)],
)
def test_settings_that_cannot_be_meant_are_refused(quantities, climates, months):
    with pytest.raises(UsageError, match=r"an environment has quantities of elevation_m, population_per_km2, "):
        EnvironmentSettings(tuple(Quantity(*pair) for pair in quantities), climates, months)


@pytest.mark.parametrize("note", ["{", "[]", '{"quantities": []}', '{"quantities": 3, "climates": [], "months": true}'])
def test_malformed_settings_are_named(telling, tmp_path, note):
    shutil.copytree(telling.path, tmp_path / "own.pigeon")
    (tmp_path / "own.pigeon" / "environment.json").write_text(note)
    seal(tmp_path / "own.pigeon", telling.description)
    with pytest.raises(BundleError, match=r"environment\.json: expected how task outputs are read, .*; pack the"):
        open_environment(open_bundle(tmp_path / "own.pigeon"))
    with pytest.raises(UsageError, match="expected the graph's own note of its task outputs"):
        settings_of_graph({"pigeon_edge.environment": note})


@pytest.mark.parametrize("lost", ["regressions", "month_logits"])
def test_output_that_is_missing_or_of_another_width_is_an_error(lost):
    tasks = {"regressions": np.zeros((1, 3)), "climate_logits": np.zeros((1, 2)), "month_logits": np.zeros((1, 12))}
    empty = np.zeros((1, 3), np.float32)
    assert len(environments(SETTINGS, Encoding(empty, empty, tasks), [0.0])) == 1
    for other in ({name: tasks[name] for name in tasks if name != lost}, {**tasks, lost: np.zeros((1, 5))}):
        with pytest.raises(BundleError, match=r"expected the encoder's outputs to be those of environment\.json"):
            environments(SETTINGS, Encoding(empty, empty, other), [0.0])


def test_words_are_rounded_and_labelled_as_an_estimate():
    told = {
        "elevation_m": 1234.5, "population_per_km2": 45678.0, "temperature_c": -0.4, "temperature_range_c": 18.2,
        "precipitation_mm": 61.7, "precipitation_range_mm": 0.3, "climate": {"value": "Cfb", "probability": 0.614},
        "month": {"value": 7, "probability": 0.31}, "season": {"value": "summer", "probability": 0.9999},
    }  # fmt: skip
    assert surroundings_lines(told) == [
        "estimated: about 1,200 m above the sea; 46,000 people/km2; 0 C, 18 C between months; "
        "62 mm of rain a month, 0 mm between months",
        "estimated: climate Cfb, temperate oceanic (61%); summer (over 99%), July (31%)",
    ]


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        ({}, []),
        ({"elevation_m": -34.0}, ["estimated: about 34 m below the sea"]),
        ({"precipitation_range_mm": 40.0}, ["estimated: 40 mm between months"]),
        ({"climate": {"value": "Xx", "probability": 0.5}}, ["estimated: climate Xx (50%)"]),
        ({"month": {"value": 12, "probability": 0.5}}, ["estimated: December (50%)"]),
    ],
)
def test_words_leave_out_what_is_not_told(told, lines):
    assert surroundings_lines(told) == lines


def test_every_climate_has_a_short_label():
    assert len(CLIMATE_LABELS) == len(set(CLIMATE_LABELS.values())) == 31


def test_locate_prints_the_surroundings_under_each_photograph(pigeon, telling, photographs):
    found = pigeon("locate", photographs, "--bundle", telling.path, "--engine", "onnxruntime")
    assert (found.returncode, found.stderr) == (0, "")
    lines = found.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "1-red.png", "estimated:", "estimated:", "2-green.png", "estimated:", "estimated:",
        "3-blue.png", "estimated:", "estimated:",
    ]  # fmt: skip
    assert "m above the sea" in lines[2]
    assert "climate Cfb, temperate oceanic (" in lines[3]
    assert "summer (" in lines[6]


def test_locate_json_and_geotag_tell_the_surroundings(pigeon, telling, photographs, tmp_path):
    options = ("--bundle", telling.path, "--engine", "onnxruntime")
    red, green, _ = map(json.loads, pigeon("locate", photographs, "--json", *options).stdout.splitlines())
    assert red["schema"] == "pigeon-edge/event@2"
    assert red["environment"]["elevation_m"] > 10 * green["environment"]["elevation_m"]
    for name in ("a.geojson", "a.csv"):
        assert pigeon("geotag", photographs, "--out", name, *options).returncode == 0
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert features[0]["properties"]["elevation_m"] == red["environment"]["elevation_m"]
    assert features[1]["properties"]["season"] == "summer"
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["climate"] for row in rows] == ["Cfb", "BWh", "BWh"]
    assert float(rows[1]["month_probability"]) == green["environment"]["month"]["probability"]
    assert {row["precipitation_mm"] for row in rows} == {""}


def test_bundle_info_says_what_is_told(pigeon, telling, tiny):
    words = "surroundings elevation_m, population_per_km2, temperature_c, climate, month, season\n"
    assert words in pigeon("bundle", "info", telling.path).stdout
    assert "surroundings" not in pigeon("bundle", "info", tiny.path).stdout
