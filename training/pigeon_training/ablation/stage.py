"""The stage ``train ablate``: from nothing to tables of what each contribution buys, and what came before PIGEON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pigeon_edge.errors import UsageError
from pigeon_edge.files import replacing, to_json, write_json
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.photo_manifest import Split, lat_lng_of_rows
from pigeon_training.ablation.album import Album, Doubles, open_album
from pigeon_training.ablation.contributions import CONTRIBUTIONS, Contribution
from pigeon_training.ablation.earlier_rows import EARLIER_NAMES, earlier_answers
from pigeon_training.ablation.results import Finding, Outcome, finding
from pigeon_training.ablation.rows import answers, classifier
from pigeon_training.ablation.settings import AblationSettings
from pigeon_training.ablation.table import contributions_table, earlier_table
from pigeon_training.ablation.towers import Towers, base_clip
from pigeon_training.planet.album import render_album
from pigeon_training.planet.world import World, make_world

Say = Callable[[str], None]
Answers = Callable[[int], Doubles]
"""A seed to an answer (N, 2) for each test photograph."""

PLANET_SEED = 7
PLANET, PHOTOGRAPHS = "planet.json", "photographs"


@dataclass(frozen=True, eq=False)
class Material:
    """The planet, its photographs, and the towers that see them."""

    world: World
    album: Album
    towers: Towers
    settings: AblationSettings


def ablate(out: Path, settings: AblationSettings, say: Say) -> None:
    """Write ``ablation.json`` and ``ablation.md``: what each contribution of PIGEON buys."""
    material = _material(out, settings, say)
    ways = {row.name: partial(_row_answers, material, row) for row in CONTRIBUTIONS}
    findings = _findings(ways, {row.name: row.against for row in CONTRIBUTIONS}, material, say)
    _write(out / "ablation", findings, contributions_table(findings))


def compare_earlier(out: Path, settings: AblationSettings, say: Say) -> None:
    """Write ``earlier.json`` and ``earlier.md``: the systems before PIGEON beside it, on the same embeddings."""
    material = _material(out, settings, say)
    ways: dict[str, Answers] = {
        name: partial(_earlier_answers, material, name) for name in earlier_systems_of(settings, seed=0)
    }
    ways |= {f"ours: {name}": partial(_row_answers, material, row) for name, row in FINAL_ROWS.items()}
    best = f"ours: {next(iter(FINAL_ROWS))}"
    findings = _findings(ways, {name: best for name in ways if name != best}, material, say)
    _write(out / "earlier", findings, earlier_table(findings))


def _material(out: Path, settings: AblationSettings, say: Say) -> Material:
    _claim(out / PLANET, settings)
    manifest = out / PHOTOGRAPHS / "manifest.csv"
    if not manifest.exists():
        render_album(manifest.parent, settings.places, PLANET_SEED, settings.tower.image_size_px)
    world, album = make_world(PLANET_SEED), open_album(manifest, settings.cells)
    say(f"pigeon-edge: the base tower, {settings.base_steps} batches of descriptions")
    base = base_clip(album, world, settings)
    return Material(world, album, Towers(base, album, world, settings), settings)
