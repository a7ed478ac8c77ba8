"""The whole path for the procedural planet: the commands that a user would type, one after the other."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pigeon_edge.cli.console import say
from pigeon_edge.errors import PigeonError, UsageError
from pigeon_edge.files import to_json, write_json
from pigeon_training.presets import PLANET_PRESETS

SAMPLES = 24
UNDIVIDED = 1_000_000
"""More photographs than any region has: the planet's geocells are its regions, as they are named."""

ABOUT = (
    "A procedural planet: invented countries, drawn street scenes. It proves the path from photographs to an answer; "
    "it knows no real place, and its numbers say nothing about the real world. Made by "
    "`pigeon-edge train planet --size {size} --seed {seed}`, whose constants are in `pigeon_training/presets.py`."
)


@dataclass(frozen=True)
class Stage:
    """One command line, and the file or folder that it makes."""

    output: Path
    arguments: tuple[str, ...]


def make_planet(out: Path, size: str, seed: int) -> Path:
    """Run every stage whose output is not there yet; return the bundle.

    Raises UsageError where the folder holds a planet of another size or seed, PigeonError where a stage fails.
    """
    _claim(out, {"size": size, "seed": seed})
    for stage in stages(out, size, seed):
        if not stage.output.exists():
            _run(stage)
    return out / "toy-planet.pigeon"


def stages(out: Path, size: str, seed: int) -> Iterator[Stage]:
    """Yield the stages in order; each reads only what the ones before it have written."""
    preset, about = PLANET_PRESETS[size], ABOUT.format(size=size, seed=seed)
    manifest, cells, model = out / "photographs" / "manifest.csv", out / "cells", out / "model"
    graph, quantized, report = out / "encoder.onnx", out / "encoder.int8.onnx", out / "calibration.json"
    gallery, samples, draft = out / "gallery", out / "samples", out / "draft.pigeon"
    confidence, evaluation, bundle = out / "confidence.json", out / "evaluation.json", out / "toy-planet.pigeon"
    parts = ("--encoder", quantized, "--cells", cells, "--gallery", gallery, "--probes", samples)
    pack = ("export", "pack", *parts, "--refinement", "gated")

    yield _stage(manifest.parent, "train", "render", "--places", preset.places, "--seed", seed)
    yield _stage(
        cells, "train", "cells", "--manifest", manifest, "--min-size", preset.min_cell_size, "--max-size", UNDIVIDED
    )
    yield _stage(model, "train", "fit", "--manifest", manifest, "--cells", cells, "--preset", preset.fit)
    yield _stage(graph, "export", "onnx", model)
    yield _stage(
        quantized, "calibrate", "int8", graph, "--images", manifest, "--cells", cells,
        "--limit", preset.calibration_photographs, "--report", report,
    )  # fmt: skip
    yield _stage(
        gallery, "train", "gallery", "--manifest", manifest, "--cells", cells, "--encoder", quantized,
        "--per-place", preset.gallery_per_place,
    )  # fmt: skip
    yield _stage(samples, "train", "samples", "--manifest", manifest, "--count", SAMPLES)
    yield _stage(draft, *pack, "--name", "draft")
    yield _stage(
        confidence, "calibrate", "confidence", "--bundle", draft, "--manifest", manifest,
        "--report", out / "confidence.report.json", "--plot", out / "confidence.png",
    )  # fmt: skip
    yield _stage(
        evaluation, "train", "evaluate", "--bundle", draft, "--confidence", confidence, "--manifest", manifest,
        "--limit", preset.evaluation_photographs,
    )  # fmt: skip
    yield _stage(
        bundle, *pack, "--name", "toy-planet", "--confidence", confidence, "--evaluation", evaluation,
        "--calibration", report, "--about", about, "--licence", "Apache-2.0", "--data-licence", "Apache-2.0",
    )  # fmt: skip


def _stage(output: Path, *arguments: object) -> Stage:
    return Stage(output, (*(str(argument) for argument in arguments), "--out", str(output)))


def _run(stage: Stage) -> None:
    say(f"\n$ pigeon-edge {shlex.join(stage.arguments)}")
    # Threads that spin while they wait slow a shared machine down by far more than they gain on an idle one.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    command = [sys.executable, "-m", "pigeon_edge", *stage.arguments]
    code = subprocess.run(command, env=environment, check=False).returncode
    if code:
        raise PigeonError(f"the stage above ended with exit code {code}; mend it and run the same command again")


def _claim(out: Path, settings: dict[str, object]) -> None:
    """Note the settings in the folder, so that stages of different planets never mix."""
    note = out / "planet.json"
    if not note.exists():
        write_json(note, settings)
    elif note.read_text(encoding="utf-8") != to_json(settings):
        raise UsageError(f"{out}: holds a planet of other settings than {settings}; choose another folder or remove it")
