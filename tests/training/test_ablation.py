"""The ablation: rows that differ by what they say, verdicts that follow from errors, and a whole run in small."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.manifest import Split, lat_lng_of_rows
from pigeon_training.presets import CELL_PRESETS, TowerPreset, sized
from pigeon_training.study.ablation.ablate import ablate, compare_earlier, open_material
from pigeon_training.study.ablation.album import answer_of_each_view, head_examples, open_album
from pigeon_training.study.ablation.contributions import Answer, Cells, Tower, contributions
from pigeon_training.study.ablation.results import Outcome, finding
from pigeon_training.study.ablation.settings import SIZES
from pigeon_training.study.ablation.table import contributions_table, earlier_table

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = replace(
    SIZES["quick"],
    places=70,
    tower=TowerPreset(image_size_px=32, patch_px=16, width=24, layers=2, heads=2, mlp_width=32),
    base_steps=2,
    contrast_steps=2,
    contrast_batch=32,
    cells=sized(CELL_PRESETS["toy"], 20, 60),
    heads=replace(SIZES["quick"].heads, epochs=3),
    tune=replace(SIZES["quick"].tune, epochs=1),
    seeds=(0, 1),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("ablation")
    material = open_material(out, TINY)
    lines = []
    ablate(out, material, lines.append)
    compare_earlier(out, material, lines.append)
    return out, material, lines


def test_posters_rows_are_in_its_order_with_what_was_published():
    rows = contributions()
    assert [row.name for row in rows if row.published] == [
        "base", "+ label smoothing", "+ four-image panorama", "+ last layer", "+ multi-task", "+ semantic cells",
        "+ contrastive", "+ refinement",
    ]  # fmt: skip
    assert [row.published.median_km for row in rows[:8]] == [148.0, 131.1, 60.81, 61.81, 60.63, 55.51, 50.01, 44.35]


def test_each_row_differs_by_one_thing_from_what_it_is_held_against():
    rows = {row.name: row for row in contributions()}
    for row in list(rows.values())[1:]:
        other = rows[row.against]
        differing = [
            field.name
            for field in fields(row)
            if field.name not in ("name", "published", "against")
            and getattr(row, field.name) != getattr(other, field.name)
        ]
        assert len(differing) == 1, row.name


def outcome(name, error_km):
    error_km = np.asarray(error_km, np.float64)
    return Outcome(name, error_km, error_km < 500)


def test_verdict_follows_from_the_errors_of_the_same_places():
    rng = np.random.default_rng(1)
    place = np.repeat(np.arange(60), 4)
    before = np.abs(rng.normal(900, 300, (3, 240)))
    same = finding(outcome("same", before[:, ::-1][:, ::-1] + rng.normal(0, 1, (3, 240))), place, outcome("a", before))
    better = finding(outcome("better", 0.6 * before), place, outcome("a", before))
    worse = finding(outcome("worse", 1.5 * before), place, outcome("a", before))
    assert (better.verdict, same.verdict, worse.verdict) == ("better", "no difference", "worse")
    points = 5000 * (np.exp(-0.6 * before / 1492.7) - np.exp(-before / 1492.7))
    assert better.gain == pytest.approx(points.mean(), abs=0.1)
    assert better.gain_interval.low < better.gain < better.gain_interval.high
    assert worse.gain < 0 < better.gain


def test_finding_pools_the_seeds_and_tells_each():
    errors = [[100.0, 300.0, 900.0], [200.0, 400.0, 3000.0]]
    found = finding(outcome("x", errors), np.arange(3), None)
    assert found.distances.median_km == 350.0
    assert found.seed_medians_km == (300.0, 400.0)
    assert found.distances.percent_within_km["750"] == pytest.approx(66.67)
    assert found.country_percent == pytest.approx(66.67)
    assert (found.against, found.gain, found.verdict) == (None, None, "")


def test_tables_have_a_line_a_row_and_the_published_numbers_beside():
    rows = contributions()
    findings = [finding(outcome(row.name, [[100.0, 2000.0]]), np.arange(2), None) for row in rows]
    lines = contributions_table(findings, {row.name: row.published for row in rows if row.published}).splitlines()
    assert len(lines) == 2 + len(rows)
    assert {line.count("|") for line in lines} == {18}
    assert lines[2].startswith("| base | 1,050 | ")
    assert lines[9].endswith("| 44.35 | 40.36 | 94.52 | 91.96 |")
    assert lines[-1].endswith("|  |  |  |  |")
    assert len(earlier_table(findings).splitlines()) == 2 + len(rows)


def test_album_averages_views_and_gives_each_view_its_panoramas_answer(run):
    _, material, _ = run
    album = material.album
    panoramas, singles = (album.samples(Split.TEST, panorama=panorama) for panorama in (True, False))
    rows = album.rows[Split.TEST]
    assert len(singles.views) == len(rows) == 4 * len(panoramas.views)
    embedded = np.random.default_rng(1).normal(size=(len(rows), 5)).astype(np.float32)
    np.testing.assert_allclose(
        panoramas.embedding(embedded)[0], embedded[list(panoramas.numbers[0])].mean(axis=0), rtol=1e-5
    )
    np.testing.assert_array_equal(singles.embedding(embedded), embedded)
    answer = answer_of_each_view(panoramas.lat_lng, panoramas)
    np.testing.assert_allclose(answer, lat_lng_of_rows(rows))


def test_both_kinds_of_cells_hold_every_training_photograph(run):
    _, material, _ = run
    album = open_album(material.album.manifest, TINY.cells)
    samples = album.samples(Split.TRAIN, panorama=False)
    for kind in Cells:
        partition = album.partitions[kind]
        examples = head_examples(samples, np.zeros((len(samples.views), 3), np.float32), partition)
        assert np.bincount(examples.cell, minlength=len(partition)).min() > 0
        assert len(examples) == len(album.rows[Split.TRAIN])


def test_whole_run_writes_tables_of_every_row_and_seed(run):
    out, _, lines = run
    findings = json.loads((out / "ablation.json").read_text(encoding="utf-8"))
    assert [found["name"] for found in findings] == [row.name for row in contributions()]
    assert {len(found["seed_medians_km"]) for found in findings} == {2}
    assert all(found["against"] for found in findings[1:])
    assert (out / "ablation.md").read_text(encoding="utf-8").count("\n") == 12
    earlier = [found["name"] for found in json.loads((out / "earlier.json").read_text(encoding="utf-8"))]
    assert earlier == [
        "constant guess", "IM2GPS", "PlaNet", "IM2GPS revisited", "CPlaNet", "ISNs", "regression",
        "ours, classifier", "ours, refined", "ours, our refinement",
    ]  # fmt: skip
    assert sum("base, seed" in line for line in lines) == 2


def test_refined_answers_are_places_of_photographs_or_centroids(run):
    from pigeon_training.study.ablation.rows import answers, classifier

    _, material, _ = run
    row = next(row for row in contributions() if row.answer is Answer.GATED)
    found = classifier(row, 0, material.album, material.towers, TINY)
    points = answers(row, found, material.album)
    known = np.concatenate([
        lat_lng_of_rows(material.album.rows[Split.TRAIN]), material.album.partitions[row.cells].centroid_lat_lng
    ])  # fmt: skip
    nearest_km = haversine_km(points[:, None], known[None]).min(axis=1)
    assert nearest_km.max() < 0.01


def test_tuned_row_moves_the_last_block_alone(run):
    from pigeon_training.study.ablation.rows import classifier

    _, material, _ = run
    row = next(row for row in contributions() if row.tower is Tower.LAST_BLOCK)
    base = material.towers.embedded(Tower.BASE, 0)[Split.TEST]
    tuned = classifier(row, 0, material.album, material.towers, TINY).embedded[Split.TEST]
    assert tuned.shape == base.shape
    assert not np.allclose(tuned, base)


def test_towers_are_trained_once(run):
    out, material, _ = run
    before = {file: file.stat().st_mtime_ns for file in (out / "towers").glob("*.npz")}
    assert {file.stem for file in before} == {
        "base", "contrastive 0", "contrastive 1", "longer base 0", "longer base 1"
    }  # fmt: skip
    again = open_material(out, TINY).towers.embedded(Tower.CONTRASTIVE, 1)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    np.testing.assert_array_equal(again[Split.TEST], material.towers.embedded(Tower.CONTRASTIVE, 1)[Split.TEST])


def test_folder_of_other_settings_is_refused(run):
    out, _, _ = run
    with pytest.raises(UsageError, match=r"holds an ablation of other settings \(settings.json\)"):
        open_material(out, replace(TINY, places=80))
