"""Gathering a bundle from its parts."""

from __future__ import annotations

import json
from dataclasses import replace

import faiss
import numpy as np
import onnx
import pytest
from PIL import Image
from safetensors.numpy import load_file
from typer.testing import CliRunner

from pigeon_calibration.gate.thresholds import marked
from pigeon_calibration.int8 import quantize
from pigeon_edge.answer.confidence import UNFITTED
from pigeon_edge.bundle.format import GRAPH, TWIN, open_bundle, verify
from pigeon_edge.bundle.gallery_writer import Clusters, write_gallery
from pigeon_edge.cli.main import app as edge_app
from pigeon_edge.encoders import Engine, open_encoder, open_graph
from pigeon_edge.encoders.tensorrt.cache import EnginePrecision
from pigeon_edge.errors import BundleError, GateError, InputError, PigeonError, UsageError
from pigeon_edge.files import sha256_of
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.locator import open_locator
from pigeon_edge.retrieval.published import PaperRefinement
from pigeon_export.engine.candidates import candidate
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_export.half.convert import to_half
from pigeon_export.half.tolerances import precision_of
from pigeon_export.pack.pack import Naming, Parts, pack
from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.tasks import RegressionScale

CELLS = 3
NAMING = Naming("tiny", "A test.", {"weights": "MIT", "data": "CC0-1.0"})


def unit_vectors(count, width):
    vectors = np.random.default_rng(1).normal(size=(count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_cells(folder, count):
    folder.mkdir()
    np.save(folder / "centroid_lat_lng.npy", np.column_stack([np.arange(count) * 10.0, np.arange(count) * 20.0 + 1]))
    places = [{"country_code": "XA", "country": "Aland", "admin1": f"R{n}"} for n in range(count)]
    (folder / "places.json").write_text(json.dumps(places))
    (folder / "regions.json").write_text("[]")


def write_gallery_of(folder, width, cells):
    clusters = Clusters(np.arange(12) % cells, np.arange(cells + 1))
    write_gallery(folder, unit_vectors(12, width), np.linspace(1, 40, 24).reshape(12, 2), clusters)


@pytest.fixture
def graphs(tmp_path, make_tower, make_heads):
    """Return the paths of a full-precision graph and its quantized twin."""
    model = to_onnx(make_tower(), PreprocessSpec(32), make_heads(cells=CELLS))
    onnx.save_model(model, str(tmp_path / "full.onnx"))
    scales = dict.fromkeys(quantize.linear_inputs(model), 0.05)
    onnx.save_model(quantize.quantize(model, scales), str(tmp_path / "int8.onnx"))
    return tmp_path / "full.onnx", tmp_path / "int8.onnx"


@pytest.fixture
def parts(tmp_path, graphs):
    write_cells(tmp_path / "cells", CELLS)
    write_gallery_of(tmp_path / "gallery", 48, CELLS)
    (tmp_path / "probes").mkdir()
    rng = np.random.default_rng(2)
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(tmp_path / "probes" / f"{number}.png")
    return Parts(graphs[1], tmp_path / "cells", tmp_path / "gallery", tmp_path / "probes", None, None, None, None)


def test_parts_become_a_bundle_that_opens_verifies_and_locates(parts, tmp_path):
    pack(parts, NAMING, PaperRefinement(top_k=2, max_move_km=20_000.0), tmp_path / "tiny.pigeon")
    bundle = open_bundle(tmp_path / "tiny.pigeon")
    verify(bundle)
    told = bundle.description
    assert (told.name, told.cells, told.clusters, told.photographs) == ("tiny", 3, 3, 12)
    assert (told.embedding_width, told.opset, told.preprocess.size_px, told.refinement.top_k) == (48, 20, 32, 2)
    locator = open_locator(bundle, Engine.ONNXRUNTIME)
    (estimate,) = locator.locate(read_pixels(tmp_path / "probes" / "0.png", locator.preprocess)[None])
    assert estimate.place.country == "Aland"
    assert estimate.refinement.photograph in range(12)


def test_bundle_holds_the_files_of_the_format_and_no_others(parts, tmp_path):
    pack(parts, NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    assert sorted(open_bundle(tmp_path / "tiny.pigeon").files) == [
        "MODEL_CARD.md", "cells/centroid_lat_lng.npy", "cells/places.json", "confidence.json", "encoder.int8.onnx",
        "gallery/cell_offsets.npy", "gallery/index.faiss", "gallery/lat_lng.npy", "golden.safetensors",
    ]  # fmt: skip


def test_golden_file_holds_what_the_graph_makes_of_the_first_probes(parts, tmp_path):
    pack(parts, NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    bundle = open_bundle(tmp_path / "tiny.pigeon")
    golden = load_file(bundle.file("golden.safetensors"))
    expected = [read_pixels(tmp_path / "probes" / f"{n}.png", PreprocessSpec(32)) for n in range(4)]
    np.testing.assert_array_equal(golden["pixels"], expected)
    found = open_encoder(bundle, Engine.ONNXRUNTIME).encode(golden["pixels"])
    np.testing.assert_allclose(found.embedding, golden["image_embedding"], atol=1e-5)
    np.testing.assert_allclose(found.cell_logits, golden["cell_logits"], atol=1e-4)


def test_full_precision_twin_is_shipped_where_it_is_given(parts, graphs, tmp_path):
    pack(replace(parts, full_precision=graphs[0]), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    bundle = open_bundle(tmp_path / "tiny.pigeon")
    pixels = np.zeros((1, 32, 32, 3), np.uint8)
    assert open_graph(bundle.file(TWIN), Engine.ONNXRUNTIME).encode(pixels).cell_logits.shape == (1, 3)


def test_confidence_that_was_fitted_is_taken_over(parts, tmp_path):
    settings = replace(UNFITTED, temperature=1.5, radius_50_km=(20.0,), radius_90_km=(700.0,), fitted_on=99)
    (tmp_path / "c.json").write_text(json.dumps(settings.to_json()))
    pack(replace(parts, confidence=tmp_path / "c.json"), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    assert open_locator(open_bundle(tmp_path / "tiny.pigeon"), Engine.ONNXRUNTIME).confidence == settings
    assert "90% within the larger one (700 to 700 km)" in (tmp_path / "tiny.pigeon" / "MODEL_CARD.md").read_text()


def test_misspelt_confidence_is_refused(parts, tmp_path):
    (tmp_path / "c.json").write_text('{"temprature": 1.0}')
    with pytest.raises(BundleError, match="expected confidence settings"):
        pack(replace(parts, confidence=tmp_path / "c.json"), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")


@pytest.fixture
def telling_graph(tmp_path, make_tower, make_heads):
    """Return the path of a quantized graph that tells elevation and climate."""
    rng = np.random.default_rng(4)
    heads = make_heads(cells=CELLS)
    for name, size in (("regression", 6), ("climate", 31)):
        heads |= {f"{name}.weight": rng.normal(size=(size, 48)).astype(np.float32), f"{name}.bias": np.zeros(size, "f")}
    scale = RegressionScale(408.0, (6.5, *(None,) * 5), (0.1, *(None,) * 5))
    model = to_onnx(make_tower(), PreprocessSpec(32), heads, scale=scale)
    onnx.save_model(quantize.quantize(model, dict.fromkeys(quantize.linear_inputs(model), 0.05)), tmp_path / "t.onnx")
    return tmp_path / "t.onnx"


def test_bundle_of_task_heads_says_how_they_are_read_and_tells(parts, telling_graph, tmp_path):
    pack(replace(parts, encoder=telling_graph), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    bundle = open_bundle(tmp_path / "tiny.pigeon")
    verify(bundle)
    note = json.loads(bundle.file("environment.json").read_text())
    assert note == {"quantities": [["elevation_m", 408.0]], "climates": list(CLIMATES), "months": False}
    golden = load_file(bundle.file("golden.safetensors"))
    assert (golden["regressions"].shape, golden["climate_logits"].shape) == ((4, 1), (4, 31))
    assert "from the photograph alone: elevation_m, climate." in (bundle.path / "MODEL_CARD.md").read_text()
    environments = [estimate.environment for estimate in open_locator(bundle).locate(golden["pixels"])]
    heights = np.exp(golden["regressions"][:, 0]) - 408
    np.testing.assert_allclose([one.elevation_m for one in environments], heights, rtol=1e-2, atol=1)
    assert {one.temperature_c for one in environments} == {None}


def test_graph_whose_note_tells_of_other_outputs_is_refused(parts, telling_graph, tmp_path):
    model = onnx.load(str(telling_graph))
    [note] = [entry for entry in model.metadata_props if entry.key == "pigeon_edge.environment"]
    note.value = note.value.replace("false", "true")
    onnx.save_model(model, str(tmp_path / "other.onnx"))
    with pytest.raises(BundleError, match=r"expected the encoder's outputs to be those of environment\.json"):
        pack(replace(parts, encoder=tmp_path / "other.onnx"), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    assert not (tmp_path / "tiny.pigeon").exists()


@pytest.mark.parametrize("part", ["encoder", "cells", "gallery", "probes", "full_precision", "evaluation"])
def test_missing_part_is_named_and_no_bundle_is_left(parts, tmp_path, part):
    with pytest.raises(InputError, match="nowhere"):
        pack(replace(parts, **{part: tmp_path / "nowhere"}), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    assert not list(tmp_path.glob("*.pigeon"))
    assert not list(tmp_path.glob(".*"))


def test_file_that_is_no_graph_is_refused(parts, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no graph at all")
    with pytest.raises(InputError, match=r"x\.onnx: expected an ONNX graph, "):
        pack(replace(parts, encoder=tmp_path / "x.onnx"), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")


def test_graph_that_breaks_a_rule_of_the_engines_is_refused(parts, tmp_path):
    model = onnx.load(str(parts.encoder))
    model.opset_import[0].version = 21
    onnx.save_model(model, str(tmp_path / "new.onnx"))
    with pytest.raises(InputError, match=r"new\.onnx: breaks a rule of the engines: .*; export and calibrate it again"):
        pack(replace(parts, encoder=tmp_path / "new.onnx"), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")


def test_graph_that_fell_short_of_its_gate_is_refused(parts, tmp_path):
    model = marked(onnx.load(parts.encoder), passed=False)
    onnx.save_model(model, str(tmp_path / "unverified.onnx"))
    with pytest.raises(GateError, match=r"unverified\.onnx: fell short of the gate of `calibrate int8`"):
        pack(replace(parts, encoder=tmp_path / "unverified.onnx"), NAMING, PaperRefinement(), tmp_path / "out.pigeon")
    assert not (tmp_path / "out.pigeon").exists()


@pytest.mark.parametrize(
    ("width", "cells", "words"),
    [
        (40, 3, r"embeddings of 40 as in the gallery and 3 geocells, found 48 and 3; make cells, graph and gallery"),
        (48, 4, r"embeddings of 48 as in the gallery and 4 geocells, found 48 and 3; make cells, graph and gallery"),
    ],
)
def test_parts_of_different_models_are_refused(parts, tmp_path, width, cells, words):
    write_cells(tmp_path / "other_cells", cells)
    write_gallery_of(tmp_path / "other_gallery", width, cells)
    other = replace(parts, cells=tmp_path / "other_cells", gallery=tmp_path / "other_gallery")
    with pytest.raises(InputError, match=words):
        pack(other, NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")


def test_gallery_of_other_cells_is_refused(parts, tmp_path):
    write_gallery_of(tmp_path / "other_gallery", 48, 4)
    with pytest.raises(PigeonError, match="gallery of"):
        pack(replace(parts, gallery=tmp_path / "other_gallery"), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")


def test_old_bundle_stays_where_a_new_one_fails(parts, tmp_path):
    pack(parts, NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    before = open_bundle(tmp_path / "tiny.pigeon").digest
    with pytest.raises(InputError):
        pack(replace(parts, cells=tmp_path / "nowhere"), NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    assert open_bundle(tmp_path / "tiny.pigeon").digest == before


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_graph_of_full_precision_ships_and_is_marked(parts, graphs, tmp_path, precision):
    """The way out for a model whose INT8 misses the gate."""
    graph = graphs[0]
    if precision == "fp16":
        graph = tmp_path / "half.onnx"
        onnx.save_model(to_half(onnx.load_model(str(graphs[0]))), str(graph))
    pack(replace(parts, encoder=graph), NAMING, PaperRefinement(), tmp_path / "full.pigeon")
    bundle = open_bundle(tmp_path / "full.pigeon")
    assert bundle.description.precision == precision
    assert json.loads((bundle.path / "manifest.json").read_text())["encoder"]["precision"] == precision
    assert f"the encoder computes in {precision}: no INT8 graph" in (bundle.path / "MODEL_CARD.md").read_text()
    told = CliRunner().invoke(edge_app, ["bundle", "info", str(bundle.path)])
    assert f"in {precision}: no INT8 graph of it, larger and slower" in told.stdout
    pixels = np.stack([read_pixels(tmp_path / "probes" / f"{n}.png", PreprocessSpec(32)) for n in range(2)])
    quantized = tmp_path / "int8.pigeon"
    pack(parts, NAMING, PaperRefinement(), quantized)
    for one, other in zip(
        open_locator(bundle, Engine.ONNXRUNTIME).locate(pixels),
        open_locator(open_bundle(quantized), Engine.ONNXRUNTIME).locate(pixels),
        strict=True,
    ):
        assert one.lat_lng == pytest.approx(other.lat_lng, abs=1e-3)


def test_a_bundle_of_full_precision_becomes_an_fp16_engine(parts, graphs, tmp_path):
    pack(replace(parts, encoder=graphs[0]), NAMING, PaperRefinement(), tmp_path / "full.pigeon")
    graph = open_bundle(tmp_path / "full.pigeon").file(GRAPH)
    assert precision_of(onnx.load_model_from_string(candidate(graph, EnginePrecision.FP16))) == "fp16"
    with pytest.raises(InputError, match="expected quantized activations for int8"):
        candidate(graph, EnginePrecision.INT8)


def test_a_quantized_graph_says_nothing_of_its_precision(parts, tmp_path):
    pack(parts, NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    assert "precision" not in json.loads((tmp_path / "tiny.pigeon" / "manifest.json").read_text())["encoder"]


def test_a_twin_beside_a_graph_of_full_precision_is_refused(parts, graphs, tmp_path):
    with pytest.raises(InputError, match="expected an int8 graph beside a full-precision twin"):
        pack(
            replace(parts, encoder=graphs[0], full_precision=graphs[0]),
            NAMING,
            PaperRefinement(),
            tmp_path / "a.pigeon",
        )


def test_the_twin_must_be_of_the_same_model(parts, tmp_path, make_tower, make_heads):
    for name, tower, size_px in (
        ("other", make_tower(num_hidden_layers=1), 32),
        ("larger", make_tower(image_size=64), 64),
    ):
        model = to_onnx(tower, PreprocessSpec(size_px), make_heads(cells=CELLS))
        onnx.save_model(model, str(tmp_path / f"{name}.onnx"))
        with pytest.raises(InputError, match=rf"{name}\.onnx: "):
            pack(
                replace(parts, full_precision=tmp_path / f"{name}.onnx"),
                NAMING,
                PaperRefinement(),
                tmp_path / "out.pigeon",
            )
    assert not (tmp_path / "out.pigeon").exists()


@pytest.mark.parametrize("wrong", [{"passed": False}, {"int8_sha256": "00"}, {"schema": "pigeon-edge/other@1"}])
def test_the_report_must_be_of_this_graph(parts, tmp_path, wrong):
    report = {"schema": "pigeon-edge/int8-report@3", "passed": True, "int8_sha256": sha256_of(parts.encoder), **wrong}
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(InputError, match=r"report\.json: expected the report that `calibrate int8` wrote with"):
        pack(replace(parts, calibration=tmp_path / "report.json"), NAMING, PaperRefinement(), tmp_path / "out.pigeon")


def test_confidence_must_be_of_this_graph(parts, tmp_path):
    file = tmp_path / "fitted.json"
    for graph_sha256 in (None, sha256_of(parts.encoder)):
        file.write_text(json.dumps(replace(UNFITTED, graph_sha256=graph_sha256).to_json()))
        pack(replace(parts, confidence=file), NAMING, PaperRefinement(), tmp_path / "out.pigeon")
    file.write_text(json.dumps(replace(UNFITTED, graph_sha256="00").to_json()))
    with pytest.raises(InputError, match=r"fitted\.json: expected confidence that was fitted with"):
        pack(replace(parts, confidence=file), NAMING, PaperRefinement(), tmp_path / "out.pigeon")


def test_a_folder_of_something_else_is_left_alone(parts, tmp_path):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "precious").touch()
    with pytest.raises(UsageError, match=r"photographs: is there, and no folder with manifest\.json"):
        pack(parts, NAMING, PaperRefinement(), tmp_path / "photographs")
    assert (tmp_path / "photographs" / "precious").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cells/centroid_lat_lng.npy", b"", "expected geocells and a gallery, .*; make them again"),
        (
            "gallery/index.faiss",
            b"",
            "expected geocells and a gallery, gallery/index.faiss: not a readable faiss index",
        ),
        ("gallery/index.faiss", None, "gallery/index.faiss: expected an IVF index, found IndexFlat"),
    ],
    ids=["empty cells", "empty index", "another index"],
)
def test_broken_parts_are_refused_in_a_line(parts, tmp_path, name, content, words):
    if content is None:
        faiss.write_index(faiss.IndexFlatL2(48), str(tmp_path / name))
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        pack(parts, NAMING, PaperRefinement(), tmp_path / "tiny.pigeon")
    assert not (tmp_path / "tiny.pigeon").exists()
