"""The stage ``train heads``: cached embeddings, a manifest, geocells and the tower in, a model folder out.

While it runs, ``OUT.run/log.csv`` grows by a line an epoch; ``OUT/`` appears as a whole: the model, that log, and
``training.json`` with the settings and what was known.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pigeon_edge.files import replacing_folder, sha256_of, write_json
from pigeon_edge.manifest import PhotoRow, Split, lat_lng_of_rows
from pigeon_training.cells.partition import Partition
from pigeon_training.cells.store import read_cells
from pigeon_training.data.dataset import read_split
from pigeon_training.data.streaming import Sample
from pigeon_training.data.task_columns import read_task_targets
from pigeon_training.data.tasks import REGRESSIONS, TaskTargets
from pigeon_training.embedding.embedder import tower_sha256
from pigeon_training.embedding.store import Embeddings, open_embeddings
from pigeon_training.learning.heads.examples import HeadExamples, SampleEmbeddings, in_memory
from pigeon_training.learning.heads.fit import fit_heads, known_tasks
from pigeon_training.learning.training_log import TrainingLog
from pigeon_training.model.clip_folder import CONFIG, load_tower, read_spec
from pigeon_training.model.geocell_model import GeocellModel
from pigeon_training.model.model_folder import FittedModel, fill
from pigeon_training.presets import HeadsPreset

LOG, REPORT = "log.csv", "training.json"

Say = Callable[[str], None]
Group = Callable[[Sequence[PhotoRow]], list[Sample]]
"""``streaming.singles`` or ``streaming.panoramas``."""


def heads_of_manifest(
    embeddings: Path, manifest: Path, cells: Path, model: str, out: Path, preset: HeadsPreset, group: Group, say: Say
) -> None:
    """Train heads on the training split, choose the epoch on the validation split, write the model.

    Raises UsageError where the embeddings are of another tower than that of ``model``, InputError where they are
    damaged or lack a photograph.
    """
    tower, store, geocells = load_tower(model), open_embeddings(embeddings), read_cells(cells)
    spec = read_spec(model, tower.config.image_size)
    store.check_encoder(tower_sha256(tower), spec)
    store.verify()
    training, validation = (
        _examples(store, manifest, read_split(manifest, split), geocells, group, say)
        for split in (Split.TRAIN, Split.VALIDATION)
    )
    known = known_targets(training.tasks)
    _tell(training, validation, known, preset, say)
    lines: list[Mapping[str, float]] = []
    log = _new_log(out)

    def after_epoch(numbers: Mapping[str, float]) -> None:
        log.write(numbers)
        lines.append(numbers)
        say(
            f"epoch {numbers['epoch']:.0f}: loss {numbers['loss']:.4f}, "
            f"validation median {numbers['validation_km']:,.0f} km by centroid"
        )

    fitted = fit_heads(training, validation, geocells.centroid_lat_lng, preset, after_epoch)
    best = min(lines, key=lambda numbers: numbers["validation_km"])
    report = {"best": dict(best), "samples": len(training), "known": known, "preset": asdict(preset)}
    report["encoder_sha256"], report["manifest_sha256"] = store.encoding.sha256, sha256_of(manifest)
    _write(out, FittedModel(GeocellModel(tower, fitted.heads), spec, fitted.scale), report)


def known_targets(targets: TaskTargets) -> dict[str, int]:
    """Return of how many samples each target of the tasks is known."""
    regression = np.isfinite(targets.regression).sum(axis=0)
    counts = dict(zip(REGRESSIONS, regression.tolist(), strict=True))
    return {**counts, "climate": int((targets.climate >= 0).sum()), "month": int((targets.month >= 0).sum())}


def _examples(
    store: Embeddings, manifest: Path, rows: Sequence[PhotoRow], geocells: Partition, group: Group, say: Say
) -> HeadExamples:
    """Return the samples of rows; a panorama is where its first view is, and has that one's targets."""
    found, numbers = store.of(manifest, rows)
    if len(found) < len(rows):
        say(f"pigeon-edge: {len(rows) - len(found)} of {len(rows)} photographs have no embedding and are left out")
    samples = group(found)
    number_of = dict(zip(found, numbers, strict=True))
    views = [[number_of[row] for row in sample] for sample in samples]
    firsts = [sample[0] for sample in samples]
    return HeadExamples(
        in_memory(SampleEmbeddings(store.embedding, views)),
        lat_lng_of_rows(firsts),
        geocells.cell_of_rows(firsts),
        read_task_targets(manifest, firsts),
    )


def _tell(
    training: HeadExamples, validation: HeadExamples, known: Mapping[str, int], preset: HeadsPreset, say: Say
) -> None:
    say(f"pigeon-edge: {len(training)} samples to train on, {len(validation)} to validate on")
    say(f"pigeon-edge: targets known: {', '.join(f'{name} {count}' for name, count in known.items())}")
    without = sorted({*preset.tasks} - {*known_tasks(training.tasks, preset.tasks)})
    if without:
        say(f"pigeon-edge: no head for {', '.join(without)}: no sample has a target, see `pigeon-edge train geography`")


def _new_log(out: Path) -> TrainingLog:
    path = _running_log(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return TrainingLog(path)


def _write(out: Path, fitted: FittedModel, report: Mapping[str, Any]) -> None:
    log = _running_log(out)
    with replacing_folder(out, CONFIG) as scratch:
        fill(scratch, fitted)
        shutil.copyfile(log, scratch / LOG)
        write_json(scratch / REPORT, report)
    log.unlink()
    if not any(log.parent.iterdir()):
        log.parent.rmdir()


def _running_log(out: Path) -> Path:
    return out.with_name(f"{out.name}.run") / LOG
