"""The stage ``train pretrain``: a CLIP model and a manifest in, a model folder trained further out.

While it runs, ``OUT.run/`` holds ``checkpoint.safetensors`` and ``log.csv``; when it is done, ``OUT/`` appears as a
whole: the model in transformers' format with its tokenizer and preprocessing, ``log.csv``, and ``pretrain.json`` with
the settings and the probe before and after.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from pigeon_edge.cli.console import progress
from pigeon_edge.errors import InputError, PartialFailureError, UsageError
from pigeon_edge.files import replacing, replacing_folder, sha256_of, write_json
from pigeon_edge.manifest import PhotoRow, Split
from pigeon_training.data.dataset import read_rows, read_split
from pigeon_training.embedding.embedder import left_out
from pigeon_training.learning.contrast.batches import Batch, Batches, captions_of_facts, read_ahead
from pigeon_training.learning.contrast.caption_facts import read_facts
from pigeon_training.learning.contrast.checkpoint import read_checkpoint, write_checkpoint
from pigeon_training.learning.contrast.pretrain import ContrastSettings, StepReport, new_optimizer, train
from pigeon_training.learning.contrast.probe import probe
from pigeon_training.model.clip_folder import CONFIG, Clip, load_clip, save_clip

PROBE_PHOTOGRAPHS = 256
CHECKPOINT, LOG, REPORT = "checkpoint.safetensors", "log.csv", "pretrain.json"

Say = Callable[[str], None]


def pretrain_manifest(
    model: str, manifest: Path, out: Path, settings: ContrastSettings, say: Say, *, resume: bool
) -> None:
    """Train on the training split and write the model; with ``resume``, go on from the last checkpoint.

    Raises UsageError where there is an unfinished run that was not to be resumed, or one with other settings, and
    PartialFailureError, once all is written, where photographs could not be read and were left out.
    """
    folder = out.with_name(f"{out.name}.run")
    _check_state(folder, resume=resume)
    rows, held_out = read_split(manifest, Split.TRAIN), _held_out(manifest)
    clip = load_clip(model)
    clip.model.to("cuda" if torch.cuda.is_available() else "cpu")
    batches = Batches(
        rows,
        captions_of_facts(read_facts(manifest), settings.style, settings.seed),
        clip.tokenizer,
        clip.spec,
        settings.batch,
        settings.seed,
    )
    run = _run(model, manifest, settings)
    say(f"pigeon-edge: {len(rows)} photographs, {min(settings.batch, len(rows))} compared at a time")
    if not resume:
        write_json(folder / REPORT, {"before": asdict(probe(clip, batches, held_out, settings.chunk))})
    reasons = _train(clip, batches, settings, folder, run)
    before = json.loads((folder / REPORT).read_text(encoding="utf-8"))["before"]
    after = asdict(probe(clip, batches, held_out, settings.chunk))
    _finish(out, folder, clip, {**run, "photographs": len(rows), "before": before, "after": after})
    say(
        f"pigeon-edge: of {after['photographs']} photographs held out, {after['image_to_text']:.1%} find their caption "
        f"among {after['distinct']} (before: {before['image_to_text']:.1%})"
    )
    if lost := sorted(reasons.union(after["unreadable"])):
        raise PartialFailureError(f"{out} is written; {left_out(lost)}")


def _run(model: str, manifest: Path, settings: ContrastSettings) -> dict[str, Any]:
    """Return what a run that goes on must have in common with its beginning; the chunk may differ."""
    told = {**asdict(settings), "style": settings.style.value}
    del told["chunk"]
    return {"model": model, "manifest_sha256": sha256_of(manifest), **told}


def _train(clip: Clip, batches: Batches, settings: ContrastSettings, folder: Path, run: dict[str, Any]) -> set[str]:
    """Train for the steps that are left; return the reasons of the photographs that could not be read."""
    optimizer = new_optimizer(clip.model, settings)
    checkpoint, log = folder / CHECKPOINT, folder / LOG
    done = read_checkpoint(checkpoint, clip.model, optimizer, run) if checkpoint.exists() else 0
    _restart_log(log, done)

    def after_step(report: StepReport) -> None:
        with log.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(asdict(report).values())
        finished = report.step + 1
        if finished % settings.checkpoint_every == 0 or finished == settings.steps:
            write_checkpoint(checkpoint, clip.model, optimizer, finished, run)

    reasons: set[str] = set()
    numbered = _noting_reasons(read_ahead(batches.at, done, settings.steps), reasons)
    train(clip.model, optimizer, progress(numbered, settings.steps - done, "steps"), settings, after_step)
    return reasons


def _noting_reasons(numbered: Iterator[tuple[int, Batch]], reasons: set[str]) -> Iterator[tuple[int, Batch]]:
    """Pass batches through; add to ``reasons`` why photographs of them could not be read."""
    for step, batch in numbered:
        reasons.update(bad.reason for bad in batch.unreadable)
        yield step, batch


def _restart_log(log: Path, steps_done: int) -> None:
    """Keep the rows of the steps that the checkpoint has, drop what came after."""
    lines = log.read_text(encoding="utf-8").splitlines()[1 : steps_done + 1] if steps_done else []
    header = ",".join(field.name for field in fields(StepReport))
    with replacing(log) as scratch:
        scratch.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def _check_state(folder: Path, *, resume: bool) -> None:
    begun = (folder / CHECKPOINT).exists()
    if resume and not begun:
        raise InputError(f"{folder}: expected the checkpoint of a run to resume, found none; leave --resume out")
    if begun and not resume:
        raise UsageError(f"{folder}: an unfinished run; go on with --resume, or remove the folder to start anew")


def _held_out(manifest: Path) -> list[PhotoRow]:
    """Return photographs for the probe: of the validation split, of the test split where it has none."""
    every = read_rows(manifest)
    validation, test = ([row for row in every if row.split is split] for split in (Split.VALIDATION, Split.TEST))
    rows = validation or test
    if not rows:
        raise InputError(f"{manifest}: no place falls into the validation or the test split; it needs more places")
    return rows[:: max(len(rows) // PROBE_PHOTOGRAPHS, 1)][:PROBE_PHOTOGRAPHS]


def _finish(out: Path, folder: Path, clip: Clip, report: dict[str, Any]) -> None:
    clip.model.to("cpu")
    with replacing_folder(out, CONFIG) as scratch:
        scratch.mkdir()
        save_clip(scratch, clip)
        shutil.copyfile(folder / LOG, scratch / LOG)
        write_json(scratch / REPORT, report)
    shutil.rmtree(folder)
