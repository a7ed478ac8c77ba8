"""The stage ``train ablate``: from nothing to tables of what each contribution buys, and of what came before PIGEON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pigeon_edge.errors import UsageError
from pigeon_edge.files import replacing, to_json, write_json
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.manifest import Split, lat_lng_of_rows
from pigeon_training.planet.album import render_album
from pigeon_training.planet.world import World, make_world
from pigeon_training.study.ablation.album import Album, Doubles, open_album
from pigeon_training.study.ablation.contributions import Answer, Contribution, contributions
from pigeon_training.study.ablation.earlier_rows import earlier_answers, earlier_systems_of
from pigeon_training.study.ablation.results import Finding, Outcome, finding
from pigeon_training.study.ablation.rows import answers, classifier
from pigeon_training.study.ablation.settings import AblationSettings
from pigeon_training.study.ablation.table import contributions_table, earlier_table
from pigeon_training.study.ablation.towers import Towers

Say = Callable[[str], None]
AnswersOf = Callable[[int], Doubles]
"""A seed to an answer (N, 2) for each test photograph."""

PLANET_SEED = 7


@dataclass(frozen=True, eq=False)
class Material:
    """The planet, its photographs, and the towers that see them."""

    world: World
    album: Album
    towers: Towers
    settings: AblationSettings


def open_material(out: Path, settings: AblationSettings) -> Material:
    """Render the planet into ``out/photographs`` where it is not there yet; ``out/towers`` keeps embeddings.

    Raises UsageError where the folder holds an ablation of other settings.
    """
    _claim(out / "settings.json", asdict(settings))
    manifest = out / "photographs" / "manifest.csv"
    if not manifest.exists():
        render_album(manifest.parent, settings.places, PLANET_SEED, settings.tower.image_size_px)
    world, album = make_world(PLANET_SEED), open_album(manifest, settings.cells)
    return Material(world, album, Towers(out / "towers", album, world, settings), settings)


def ablate(out: Path, material: Material, say: Say) -> None:
    """Write ``ablation.json`` and ``ablation.md``: what each contribution of PIGEON buys."""
    rows = contributions()
    ways = {row.name: partial(_row_answers, material, row) for row in rows}
    findings = _findings(ways, {row.name: row.against for row in rows if row.against}, material, say)
    published = {row.name: row.published for row in rows if row.published}
    _write(out, "ablation", findings, contributions_table(findings, published))


def compare_earlier(out: Path, material: Material, say: Say) -> None:
    """Write ``earlier.json`` and ``earlier.md``: the systems before PIGEON beside it, on the same embeddings."""
    ways: dict[str, AnswersOf] = {
        name: partial(_earlier_answers, material, name) for name in earlier_systems_of(material.settings, seed=0)
    }
    named = {Answer.CENTROID: "ours, classifier", Answer.PAPER: "ours, refined", Answer.GATED: "ours, our refinement"}
    final = [row for row in contributions() if row.name in ("+ contrastive", "+ refinement", "our refinement instead")]
    ways |= {named[row.answer]: partial(_row_answers, material, row) for row in final}
    best = named[Answer.GATED]
    findings = _findings(ways, {name: best for name in ways if name != best}, material, say)
    _write(out, "earlier", findings, earlier_table(findings))


def _findings(ways: Mapping[str, AnswersOf], against: Mapping[str, str], material: Material, say: Say) -> list[Finding]:
    outcomes = {name: _outcome(name, way, material, say) for name, way in ways.items()}
    place = material.album.test_place
    return [finding(own, place, outcomes.get(against.get(name, ""))) for name, own in outcomes.items()]


def _outcome(name: str, answers_of: AnswersOf, material: Material, say: Say) -> Outcome:
    truth = lat_lng_of_rows(material.album.rows[Split.TEST])
    true_country, _ = material.world.nation_of(truth)
    errors, rights = [], []
    for seed in material.settings.seeds:
        points = answers_of(seed)
        errors.append(haversine_km(points, truth))
        rights.append(material.world.nation_of(points)[0] == true_country)
        say(f"pigeon-edge: {name}, seed {seed}: median {np.median(errors[-1]):,.0f} km")
    return Outcome(name, np.array(errors), np.array(rights))


def _row_answers(material: Material, row: Contribution, seed: int) -> Doubles:
    found = classifier(row, seed, material.album, material.towers, material.settings)
    return answers(row, found, material.album)


def _earlier_answers(material: Material, name: str, seed: int) -> Doubles:
    locate = earlier_systems_of(material.settings, seed)[name]
    return earlier_answers(locate, seed, material.album, material.towers)


def _write(out: Path, name: str, findings: list[Finding], markdown: str) -> None:
    write_json(out / f"{name}.json", [asdict(found) for found in findings])
    with replacing(out / f"{name}.md") as scratch:
        scratch.write_text(markdown, encoding="utf-8")


def _claim(note: Path, settings: dict[str, object]) -> None:
    """Note the settings in the folder, so that towers of different settings never mix."""
    if not note.exists():
        write_json(note, settings)
    elif note.read_text(encoding="utf-8") != to_json(settings):
        raise UsageError(f"{note.parent}: holds an ablation of other settings ({note.name}); choose another folder")
