"""From a bundle or a model folder, and a manifest, to a report, its table and its pictures."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import pigeon_edge
from pigeon_edge.bundle.parts import open_cells, open_confidence, open_gallery
from pigeon_edge.errors import InputError, PartialFailureError, UsageError
from pigeon_edge.images.photograph import read_gps
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.locator import Locator
from pigeon_edge.manifest import PhotoRow, read_manifest, write_manifest
from pigeon_edge.testing import TINY_CENTROIDS, TINY_PLACES, FakeEncoder, write_colour, write_tiny_bundle
from pigeon_training.cells.semantic import cells_of_names
from pigeon_training.cells.store import write_cells
from pigeon_training.cli import app
from pigeon_training.data.streaming import panoramas, singles
from pigeon_training.data.tasks import TASK_SIZES, RegressionScale
from pigeon_training.model.geocell_model import GeocellModel, Heads, new_tower
from pigeon_training.model.model_folder import FittedModel, save_model
from pigeon_training.presets import CELL_PRESETS, TowerPreset, sized
from pigeon_training.study.evaluation.error_map import segments
from pigeon_training.study.evaluation.evaluate import evaluate
from pigeon_training.study.evaluation.from_bundle import predict_with_bundle
from pigeon_training.study.evaluation.from_checkpoint import predict_with_model
from pigeon_training.study.evaluation.photographs import chosen, training_photographs

PLANET = Path(pigeon_edge.__file__).parent / "toy_planet"
RGB = ((250, 25, 25), (25, 250, 25), (25, 25, 250))


@pytest.fixture
def locator(tmp_path) -> Locator:
    bundle = write_tiny_bundle(tmp_path / "tiny.pigeon")
    told = bundle.description
    return Locator(
        told.preprocess, FakeEncoder(), open_cells(bundle), open_gallery(bundle), told.refinement,
        open_confidence(bundle), "tiny",
    )  # fmt: skip


def coloured_rows(folder, count, views=1):
    return [
        PhotoRow(
            write_colour(folder / f"{n}-{view}.png", RGB[n % 3]), *TINY_CENTROIDS[n % 3], f"p{n}", month=n % 12 + 1,
            heading_deg=90.0 * view, country_code=TINY_PLACES[n % 3][0], country=TINY_PLACES[n % 3][1],
            admin1=TINY_PLACES[n % 3][2],
        )
        for n in range(count) for view in range(views)
    ]  # fmt: skip


def manifest_of(rows, folder, **columns):
    """Write a manifest with further columns, one value a row."""
    manifest = folder / "manifest.csv"
    write_manifest(manifest, rows)
    records = list(csv.DictReader(manifest.read_text().splitlines()))
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*records[0], *columns])
        writer.writeheader()
        for number, record in enumerate(records):
            writer.writerow(record | {name: values[number] for name, values in columns.items()})
    return manifest


def measured(locator, rows, training, folder, **columns):
    manifest = manifest_of(rows, folder, **columns)
    return evaluate(predict_with_bundle(locator, rows, None), manifest, training, None)


def test_locator_that_is_right(tmp_path, locator):
    rows, training = coloured_rows(tmp_path / "a", 9), coloured_rows(tmp_path / "b", 6)
    found = measured(locator, rows, training, tmp_path / "a").to_json()
    assert (found["places"], found["model"], found["promised_coverage"]) == (9, "tiny", 0.9)
    assert found["ours"]["percent_within_km"]["1"] == found["country"]["percent"] == 100.0
    assert found["by_centroid"]["percent_within_km"]["1"] == 100.0
    assert found["nearest_pixels"]["median_km"] == 0.0
    assert found["measured_coverage"] == 1.0
    assert found["constant_guess"]["percent_within_km"]["1"] == pytest.approx(33.33)
    assert found["unreadable"] == []


def test_locator_that_is_wrong(tmp_path, locator):
    rows = coloured_rows(tmp_path / "a", 9)
    moved = [replace(row, country_code="XX", lat=-row.lat, lng=row.lng - 90) for row in rows]
    found = measured(locator, moved, rows, tmp_path / "a").to_json()
    assert found["ours"]["percent_within_km"]["2500"] == found["country"]["percent"] == 0.0
    assert found["measured_coverage"] == 0.0
    assert found["ours"]["median_km"] > 5000
    assert found["ours"]["score"] < 200


def test_batches_are_in_the_order_of_the_photographs(tmp_path, locator, monkeypatch):
    rows = coloured_rows(tmp_path / "a", 8)
    monkeypatch.setattr("pigeon_training.study.evaluation.from_bundle.BATCH", 3)
    found = predict_with_bundle(locator, rows, None)
    assert found.predictions.path.tolist() == [str(row.path) for row in rows]
    assert found.predictions.error_km.max() < 1


def test_true_cell_is_ranked_where_the_geocells_are_known(tmp_path, locator):
    rows = coloured_rows(tmp_path / "a", 60)
    cells = cells_of_names(rows, sized(CELL_PRESETS["toy"], 1, None)).partition
    order = [next(n for n, p in enumerate(TINY_PLACES) if p[0] == cell.country_code) for cell in cells.cells]
    table = replace(locator.cells, centroid_lat_lng=cells.centroid_lat_lng, places=tuple(c.place for c in cells.cells))

    class Reordered:
        def encode(self, pixels):
            encoding = FakeEncoder().encode(pixels)
            return replace(encoding, cell_logits=encoding.cell_logits[:, order])

    knowing = replace(locator, cells=table, encoder=Reordered())
    assert set(predict_with_bundle(knowing, rows, cells).predictions.cell_rank.tolist()) == {0}
    with pytest.raises(InputError, match="expected the 3 geocells that tiny was made with, found 3 others"):
        predict_with_bundle(knowing, rows, replace(cells, cells=cells.cells[::-1]))


def test_unreadable_photographs_are_counted_and_left_out(tmp_path, locator):
    rows = coloured_rows(tmp_path / "a", 6)
    rows[1].path.write_bytes(b"no image")
    found = measured(locator, rows, rows[2:], tmp_path / "a")
    assert found.report.photographs == 5
    assert [record["path"] for record in found.to_json()["unreadable"]] == [str(rows[1].path)]


def test_nothing_readable_is_an_error(tmp_path, locator):
    rows = coloured_rows(tmp_path / "a", 2)
    for row in rows:
        row.path.write_bytes(b"no image")
    with pytest.raises(InputError, match="none of 2 samples could be read"):
        predict_with_bundle(locator, rows, None)


def test_population_divides_town_and_country(tmp_path, locator):
    rows = coloured_rows(tmp_path / "a", 6)
    found = measured(locator, rows, [], tmp_path / "a", population=[300, 2500, 12, "", 0, 299.9])
    assert [(group.name, group.photographs) for group in found.report.by_settlement] == [("urban", 2), ("rural", 3)]
    assert found.rivals_km == {}


def fitted_model(cells, tasks=False):
    """Return a model of random weights whose geocell is the colour's, whatever else is in the picture."""
    torch.manual_seed(3)
    tower = new_tower(TowerPreset(image_size_px=16, patch_px=8, width=24, layers=1, heads=2, mlp_width=32))
    sizes = {"cells": len(cells)} | (TASK_SIZES if tasks else {})
    model = GeocellModel(tower, Heads(24, sizes)).eval()
    return FittedModel(model, PreprocessSpec(16), RegressionScale(408.0, (0.0,) * 6, (1.0,) * 6) if tasks else None)


def teach(fitted, cells, rows):
    """Fit the geocell head by least squares on the embeddings of three colours."""
    one_each = rows[:3]
    pixels = np.stack([np.full((16, 16, 3), RGB[n], np.uint8) for n in range(3)])
    from pigeon_training.model.geocell_model import embed_images, normalise, planes

    with torch.no_grad():
        embedding = embed_images(fitted.model.tower, normalise(planes(torch.from_numpy(pixels)), fitted.spec))
        targets = torch.nn.functional.one_hot(torch.from_numpy(cells.cell_of_rows(one_each)), len(cells)).float()
        head = fitted.model.heads["cells"]
        head.weight.copy_((torch.linalg.pinv(embedding) @ targets * 50).T)
        head.bias.zero_()
    return fitted


def test_checkpoint_answers_with_the_centroid_of_its_best_geocell(tmp_path):
    rows = coloured_rows(tmp_path / "a", 30)
    cells = cells_of_names(rows, sized(CELL_PRESETS["toy"], 1, None)).partition
    found = predict_with_model("m", teach(fitted_model(cells), cells, rows), cells, singles(rows)).predictions
    assert found.error_km.max() < 1
    assert set(found.cell_rank.tolist()) == {0}
    assert (found.country == found.true_country).all()
    assert found.entropy_nats.max() < 0.01
    assert found.radius_km is None


def test_views_of_a_place_are_averaged(tmp_path):
    rows = coloured_rows(tmp_path / "a", 6, views=4)
    cells = cells_of_names(rows, sized(CELL_PRESETS["toy"], 1, None)).partition
    misleading = next(row for row in rows if row.place_id == "p0" and row.heading_deg == 90.0)
    write_colour(misleading.path, RGB[1])
    model = teach(fitted_model(cells), cells, [rows[0], rows[4], rows[8]])
    alone = predict_with_model("m", model, cells, singles(rows))
    together = predict_with_model("m", model, cells, panoramas(rows))
    assert (len(alone.predictions), len(together.predictions)) == (24, 6)
    assert (alone.predictions.error_km > 1000).sum() == 1
    assert together.predictions.error_km.max() < 1
    assert [row.place_id for row in together.rows] == [f"p{n}" for n in range(6)]


def test_checkpoint_with_heads_answers_tasks_in_units(tmp_path):
    rows = coloured_rows(tmp_path / "a", 12)
    cells = cells_of_names(rows, sized(CELL_PRESETS["toy"], 1, None)).partition
    fitted = fitted_model(cells, tasks=True)
    with torch.no_grad():
        for name, value in {"regression": np.log(500.0), "climate": 0.0, "month": 0.0}.items():
            fitted.model.heads[name].weight.zero_()
            fitted.model.heads[name].bias.fill_(value)
        fitted.model.heads["month"].bias[0] = 1.0
    manifest = manifest_of(rows, tmp_path / "a", elevation_m=[100.0] * 11 + [""], temperature_c=[1.0] * 12)
    tasks = evaluate(predict_with_model("m", fitted, cells, singles(rows)), manifest, [], None).to_json()["tasks"]
    assert tasks["elevation_m"]["mean_absolute_error"] == pytest.approx(8.0, abs=0.01)  # 500 - 408 for 100
    assert (tasks["elevation_m"]["photographs"], tasks["elevation_m"]["unknown"]) == (11, 1)
    assert tasks["temperature_c"]["mean_absolute_error"] == pytest.approx(np.log(500.0) - 1, abs=0.01)
    assert tasks["month"] == {"percent": 8.33, "photographs": 12, "unknown": 0}
    assert sorted(tasks) == ["elevation_m", "month", "temperature_c"]


def test_geocells_of_another_model_are_refused(tmp_path):
    rows = coloured_rows(tmp_path / "a", 6)
    cells = cells_of_names(rows, sized(CELL_PRESETS["toy"], 1, None)).partition
    with pytest.raises(InputError, match="expected the 3 geocells that the model was trained on, found 2"):
        predict_with_model("m", fitted_model(cells), replace(cells, cells=cells.cells[:2]), singles(rows))


def test_photographs_are_one_a_place_of_the_test_split_or_all_of_a_benchmark(tmp_path):
    rows = coloured_rows(tmp_path / "a", 60, views=2)
    manifest = manifest_of(rows, tmp_path / "a")
    places = chosen(manifest, None, panoramas=False, benchmark=False)
    views = chosen(manifest, 1000, panoramas=True, benchmark=False)
    tested = {row.place_id for row in rows if row.split.value == "test"}
    assert {row.place_id for (row,) in places} == {sample[0].place_id for sample in views} == tested
    assert len(places) == len(views) == len(tested) > 3
    assert {len(sample) for sample in views} == {2}
    assert len(chosen(manifest, 3, panoramas=False, benchmark=False)) == 3
    assert len(chosen(manifest, None, panoramas=False, benchmark=True)) == 120
    assert len(chosen(manifest, 7, panoramas=False, benchmark=True)) == 7
    assert not tested & {row.place_id for row in training_photographs(manifest)}


def test_lines_go_the_short_way_round():
    lines = segments(np.array([[10.0, 170.0], [0.0, 0.0]]), np.array([[20.0, -170.0], [5.0, 30.0]]))
    assert lines[0].tolist() == [[170.0, 10.0], [190.0, 20.0]]
    assert lines[2].tolist() == [[-190.0, 10.0], [-170.0, 20.0]]
    assert lines[1].tolist() == [[0.0, 0.0], [30.0, 5.0]]


def run(*arguments):
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def sample_manifest(tmp_path):
    """Return a manifest of eight samples that ship, as a benchmark."""
    rows = []
    for path in sorted((PLANET / "samples").iterdir())[:8]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
        rows.append(PhotoRow(tmp_path / path.name, *read_gps(path), path.stem))
    return manifest_of(rows, tmp_path)


def test_shipped_graph_is_evaluated_by_the_runtime_of_the_device(sample_manifest, tmp_path):
    out, plots = tmp_path / "out" / "e.json", tmp_path / "out" / "plots"
    bundle = PLANET / "toy-planet.pigeon"
    result = run("--bundle", bundle, "--manifest", sample_manifest, "--benchmark", "--out", out, "--plots", plots)
    told = json.loads(out.read_text())
    assert told["model"].startswith("toy-planet@")
    assert told["photographs"] == 8
    assert told["ours"]["median_km"] < 2500
    low, high = told["ours_95"]["median_km"]
    assert low <= told["ours"]["median_km"] <= high
    assert "this model" in result.stderr
    assert "truth within the stated radius" in result.stderr
    pictures = {path.name for path in plots.iterdir()}
    assert {"error_curve.png", "error_map.png", "worst.png", "most_uncertain.png"} <= pictures
    for path in plots.iterdir():
        with Image.open(path) as picture:
            assert picture.width > 800
            assert len(picture.convert("RGB").getcolors(10**6)) > 20


def test_unreadable_photograph_ends_with_its_exit_code_once_all_is_written(sample_manifest, tmp_path):
    read_manifest(sample_manifest)[2].path.write_bytes(b"no image")
    arguments = ("--manifest", sample_manifest, "--benchmark", "--out", tmp_path / "e.json")
    with pytest.raises(PartialFailureError, match="could not be read: 1; the report is of the others"):
        run("--bundle", PLANET / "toy-planet.pigeon", *arguments)
    told = json.loads((tmp_path / "e.json").read_text())
    assert told["photographs"] == 7
    assert len(told["unreadable"]) == 1


def test_model_folder_is_evaluated_with_its_geocells(tmp_path):
    rows = coloured_rows(tmp_path / "a", 60, views=2)
    manifest = manifest_of(rows, tmp_path / "a")
    cells = cells_of_names(rows, sized(CELL_PRESETS["toy"], 1, None)).partition
    write_cells(tmp_path / "cells", cells)
    save_model(tmp_path / "model", teach(fitted_model(cells), cells, [rows[0], rows[2], rows[4]]))
    arguments = ("--cells", tmp_path / "cells", "--manifest", manifest, "--out", tmp_path / "e.json")
    run("--checkpoint", tmp_path / "model", "--panoramas", *arguments)
    told = json.loads((tmp_path / "e.json").read_text())
    assert (told["model"], told["promised_coverage"], told["median_radius_km"]) == ("model", None, None)
    assert told["ours"]["percent_within_km"]["1"] == told["top_k_cells"]["1"]["percent"] == 100.0
    assert told["nearest_pixels"]["percent_within_km"]["1"] == 100.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "one of --bundle and --checkpoint"),
        (("--bundle", "b", "--checkpoint", "m"), "one of --bundle and --checkpoint"),
        (("--checkpoint", "m"), "--checkpoint needs --cells"),
        (("--checkpoint", "m", "--cells", "c", "--confidence", "x"), "takes no --confidence"),
        (("--bundle", "b", "--panoramas"), "--panoramas goes with --checkpoint"),
    ],
)
def test_options_that_cannot_be_meant_together_are_refused(arguments, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        run(*arguments, "--manifest", tmp_path / "none.csv", "--out", tmp_path / "x.json")
