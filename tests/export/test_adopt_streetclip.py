"""A bundle whose head is the text embeddings of places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from pigeon_edge.bundle.format import open_bundle, verify
from pigeon_edge.encoders import Engine, open_encoder
from pigeon_edge.errors import GateError, InputError
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.locator import open_locator
from pigeon_export.adopt import make_bundle as adopt
from pigeon_export.adopt.make_bundle import adopt_streetclip, streetclip
from pigeon_export.cli import app
from pigeon_training.model.clip_folder import load_clip
from pigeon_training.study.zero_shot.places import read_places
from pigeon_training.study.zero_shot.search import embed_hierarchy, search, town_captions
from pigeon_training.testing import write_tiny_clip

PLACES = """name,admin1,country,country_code,lat,lng,population
Brest,Bretagne,France,FR,48.4,-4.5,140000
Rennes,Bretagne,France,FR,48.1,-1.7,220000
Lille,Nord,France,FR,50.6,3.1,230000
Suva,,Fiji,FJ,-18.1,178.4,90000
Labasa,,Fiji,FJ,-16.4,179.4,28000
"""


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    path = tmp_path_factory.mktemp("places") / "cities.csv"
    path.write_text(PLACES, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(3)
    for number in range(12):
        coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((50, 40)).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def bundle(clip_folder, places, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "new" / "street.pigeon"
    adopt_streetclip(str(clip_folder), places, out, None, None)
    return open_bundle(out)


def by_transformers(clip_folder, pixels, captions):
    """Return the logits (N, C) of transformers' own zero-shot classification."""
    clip = load_clip(str(clip_folder))
    planes = (pixels / 255 - np.array(clip.spec.mean)) / np.array(clip.spec.std)
    tokens = clip.tokenizer(captions, padding=True, return_tensors="pt")
    with torch.inference_mode():
        planes = torch.tensor(planes.transpose(0, 3, 1, 2), dtype=torch.float32)
        return clip.model(pixel_values=planes, **tokens).logits_per_image.numpy()


def test_logits_of_the_graph_are_those_of_transformers(clip_folder, places, make_pixels):
    from pigeon_calibration.runner import Runner

    towns, pixels = read_places(places), make_pixels(6)
    found = Runner(streetclip(str(clip_folder), towns).graph).encode(pixels)
    expected = by_transformers(clip_folder, pixels, town_captions(towns))
    np.testing.assert_allclose(found.cell_logits, expected, atol=2e-4)


def test_bundle_opens_verifies_and_says_what_it_is(bundle):
    verify(bundle)
    told = bundle.description
    assert (told.name, told.cells, told.clusters, told.photographs, told.embedding_width) == ("street", 5, 0, 0, 16)
    assert "CC-BY-NC-4.0" in told.licences["weights"]
    card = bundle.file("MODEL_CARD.md").read_text("utf-8")
    assert "no photographs were given to calibrate on" in card
    assert "5 geocells; a gallery of 0 photographs" in card
    assert not [path for path in bundle.path.parent.iterdir() if path.name.startswith(".")]


def test_photographs_are_located_at_the_towns_whose_captions_fit_best(bundle, clip_folder, places, photographs):
    locator = open_locator(bundle, Engine.ONNXRUNTIME)
    pixels = np.stack([read_pixels(path, locator.preprocess) for path in sorted(photographs.iterdir())])
    towns = read_places(places)
    logits = by_transformers(clip_folder, pixels, town_captions(towns))
    estimates = locator.locate(pixels)
    for estimate, row in zip(estimates, logits, strict=True):
        chances = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        shown = {towns[c.cell].name: c.probability for c in estimate.candidates}
        assert shown == pytest.approx({t.name: chance for t, chance in zip(towns, chances, strict=True)}, abs=0.02)
        best = towns[estimate.candidates[0].cell]
        assert estimate.lat_lng == (best.lat, best.lng)
        assert estimate.place == best.place
        assert estimate.refinement.photograph is None


def test_cheapest_precision_runs_on_the_engine_of_this_machine(bundle, make_pixels):
    pixels = make_pixels(4)
    here = open_encoder(bundle).encode(pixels)
    there = open_encoder(bundle, Engine.ONNXRUNTIME).encode(pixels)
    np.testing.assert_allclose(here.cell_logits, there.cell_logits, atol=1e-3)


def test_hierarchical_search_agrees_where_one_country_has_all_the_towns(bundle, clip_folder, places, make_pixels):
    clip = load_clip(str(clip_folder))
    towns = [town for town in read_places(places) if town.country == "Fiji"]
    encoding = open_encoder(bundle, Engine.ONNXRUNTIME).encode(make_pixels(8))
    hierarchy = embed_hierarchy(clip.model, clip.tokenizer, towns)
    found = search(hierarchy, encoding.embedding, float(clip.model.logit_scale.detach().exp()))
    rows = [read_places(places).index(town) for town in towns]
    assert found.town.tolist() == encoding.cell_logits[:, rows].argmax(axis=1).tolist()


def test_photographs_make_activations_int8_under_the_gate(clip_folder, places, photographs, tmp_path):
    import onnx

    adopt_streetclip(str(clip_folder), places, tmp_path / "b.pigeon", photographs, 1)
    bundle = open_bundle(tmp_path / "b.pigeon")
    ops = {node.op_type for node in onnx.load(str(bundle.file("encoder.int8.onnx"))).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= ops
    assert "embedding_cosine_p01" in bundle.file("MODEL_CARD.md").read_text("utf-8")
    assert bundle.description.cells == 2
    assert [p.country for p in open_locator(bundle, Engine.ONNXRUNTIME).cells.places] == ["France", "Fiji"]


def test_int8_that_falls_short_leaves_no_bundle(clip_folder, places, photographs, tmp_path, monkeypatch):
    from pigeon_calibration.gate.thresholds import Thresholds

    monkeypatch.setattr(adopt, "INT8_THRESHOLDS", Thresholds(1.1, 0.0))
    with pytest.raises(GateError):
        adopt_streetclip(str(clip_folder), places, tmp_path / "b.pigeon", photographs, None)
    assert not list(tmp_path.iterdir())


def test_confidence_can_be_fitted_without_a_gallery(bundle, photographs, tmp_path):
    from pigeon_calibration.confidence.encoded import Unreadable
    from pigeon_calibration.confidence.fit import fit_confidence
    from pigeon_edge.bundle.parts import open_gallery
    from pigeon_edge.manifest import PhotoRow

    rows = [PhotoRow(path, 48.0 + n, 2.0, str(n)) for n, path in enumerate(sorted(photographs.iterdir()) * 2)]
    locator = open_locator(bundle, Engine.ONNXRUNTIME)
    fitted = fit_confidence(locator, open_gallery(bundle), rows, Unreadable(), tmp_path).settings
    assert fitted.fitted_on == 24
    assert fitted.radius_90_km[0] >= fitted.radius_50_km[0] > 0


def test_command_makes_the_bundle_and_names_it(clip_folder, places, tmp_path):
    out = tmp_path / "paris.pigeon"
    arguments = ["adopt", "streetclip", clip_folder, "--places", places, "--out", out]
    result = CliRunner().invoke(app, [*map(str, arguments), "--per-country", "1"])
    assert result.exit_code == 0, result.output
    assert "pigeon-edge: paris@" in result.stderr
    assert open_bundle(out).description.cells == 2


def test_missing_model_is_named(places, tmp_path):
    with pytest.raises(InputError, match="nowhere: expected a CLIP folder or hub id"):
        adopt_streetclip(str(tmp_path / "nowhere"), places, tmp_path / "b.pigeon", None, None)
