"""The stages ``train fit`` and ``train tune``: manifest and geocells in, a model folder out.

While one runs, ``OUT.run/`` holds ``log.csv``, a line an epoch, ``best/``, the model of the best epoch so far, and the
state after the last epoch, from which the same command goes on where the run was interrupted. When
it is done, ``OUT/`` appears as a whole: the model, with ``log.csv`` and ``training.json``, its settings, beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pigeon_edge.errors import InputError
from pigeon_edge.files import replacing_folder, sha256_of, write_json
from pigeon_edge.manifest import PhotoRow, Split
from pigeon_training.cells.partition import Partition, region_of_row
from pigeon_training.cells.store import read_cells
from pigeon_training.data.dataset import read_split
from pigeon_training.data.streaming import Sample, singles
from pigeon_training.learning.fitting.checkpoint import Checkpoint, epochs_done, write_identity
from pigeon_training.learning.fitting.examples import FittingData, examples_of, with_tasks
from pigeon_training.learning.fitting.from_nothing import fit
from pigeon_training.learning.fitting.loop import EpochReport
from pigeon_training.learning.fitting.parallel import Processes, started_processes
from pigeon_training.learning.fitting.scope import Scope
from pigeon_training.learning.fitting.tune import fitting_heads, told_tasks, tune
from pigeon_training.learning.training_log import TrainingLog
from pigeon_training.matrix_precision import matrix_precision
from pigeon_training.model.clip_folder import CONFIG, load_tower, read_spec
from pigeon_training.model.geocell_model import GeocellModel, Heads
from pigeon_training.model.model_folder import HEADS, FittedModel, fill, load_model, save_model
from pigeon_training.presets import FitPreset, LoopPreset, TunePreset

LOG, SETTINGS, BEST = "log.csv", "training.json", "best"

Say = Callable[[str], None]
Sampling = Callable[[list[PhotoRow]], list[Sample]]


def fit_manifest(manifest: Path, cells: Path, out: Path, preset: FitPreset, say: Say) -> None:
    """Train a tower and its geocell head from nothing on the training split, and write the model."""
    with started_processes() as processes:
        data = _read_data(manifest, cells, singles)
        run = Run(out, preset, say, processes)
        checkpoint = run.begin(data, _inputs(manifest, cells))
        fitted = fit(data, preset, run.after_epoch, processes, checkpoint)
        run.finish(fitted, {"manifest": str(manifest), "cells": str(cells)})


def tune_manifest(
    model: str, manifest: Path, cells: Path, out: Path, preset: TunePreset, scope: Scope, sampling: Sampling, say: Say
) -> None:
    """Fine-tune a fitted model or a CLIP tower on the training split, and write the model.

    ``sampling`` is ``streaming.singles`` or ``streaming.panoramas``. Raises InputError where the model, a split or the
    cells are not there, or the cells are those of other photographs.
    """
    with started_processes() as processes:
        start = read_start(model)
        data = _read_data(manifest, cells, sampling)
        if preset.tasks:
            data = replace(data, training=with_tasks(data.training, manifest))
        run = Run(out, preset, say, processes)
        checkpoint = run.begin(
            data,
            {
                **_inputs(manifest, cells),
                "blocks": scope.value,
                "model": _digests(Path(model)),
                "samples": sampling.__name__,
            },
        )
        run.say(heads_line(start, data, preset))
        fitted = tune(start, data, preset, scope, run.after_epoch, processes, checkpoint)
        run.finish(fitted, {"model": model, "manifest": str(manifest), "cells": str(cells), "blocks": scope.value})


def read_start(model: str) -> FittedModel:
    """Return a fitted model, or the tower of a CLIP folder or hub id without heads. Raises InputError for others."""
    if (Path(model) / HEADS).exists():
        return load_model(Path(model))
    tower = load_tower(model)
    spec = read_spec(model, tower.config.image_size)
    return FittedModel(GeocellModel(tower, Heads(tower.config.hidden_size, {})), spec, scale=None)


def heads_line(start: FittedModel, data: FittingData, preset: TunePreset) -> str:
    """Return a line on which heads are gone on with, which are new, and which nobody can train."""
    told = told_tasks(data.training, preset.tasks)
    kept = fitting_heads(start, data, told)
    new = [name for name in ("cells", *told) if name not in kept]
    untold = [name for name in preset.tasks if name not in told]
    parts = {"goes on with": kept, "new": new, "left out, as no photograph knows a target": untold}
    return "pigeon-edge: heads: " + "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)


class Run:
    """What a training leaves behind; only the process that leads writes and talks."""

    def __init__(self, out: Path, preset: LoopPreset, say: Say, processes: Processes) -> None:
        self.say = say if processes.leads else _silent
        self._out = out
        self._folder = out.with_name(f"{out.name}.run")
        self._log = TrainingLog(self._folder / LOG)
        self._preset = preset
        self._products = matrix_precision(processes.device, bfloat16=preset.bfloat16)
        self._processes = processes

    def begin(self, data: FittingData, inputs: Mapping[str, Any]) -> Checkpoint:
        """Say what is trained on; return the checkpoint of the folder of the run, which goes on where it is this one.

        ``inputs`` is what tells one run from another, besides its preset.
        """
        identity = {**inputs, "preset": asdict(self._preset), "processes": self._processes.count}
        done = self._processes.gather(self._done(identity) if self._leads else 0)[0]
        counts = [len(examples.samples) for examples in (data.training, data.validation)]
        precision = str(self._products).removeprefix("torch.")
        self.say("pigeon-edge: {} samples to train on, {} to validate on; products in {}".format(*counts, precision))
        return Checkpoint(self._folder, self._processes.rank, goes_on=done > 0)

    def _done(self, identity: Mapping[str, Any]) -> int:
        """Return how many epochs of this run are done; where none is, make its folder anew."""
        done = epochs_done(self._folder, identity)
        if done:
            self._log.keep(done)
            self.say(f"pigeon-edge: going on after epoch {done} of {self._preset.epochs} of an interrupted run")
            return done
        if self._folder.exists():
            self.say(
                f"pigeon-edge: {self._folder} of an unfinished run is replaced: of other inputs, or without an epoch"
            )
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True)
        write_identity(self._folder, identity)
        return 0

    @property
    def _leads(self) -> bool:
        return self._processes.leads

    def after_epoch(self, report: EpochReport, fitted: FittedModel) -> None:
        """Add to the log; keep the model where it is the best so far."""
        if not self._leads:
            return
        self._log.write(report.numbers())
        if report.best:
            save_model(self._folder / BEST, fitted)
        self.say(
            f"epoch {report.epoch}/{self._preset.epochs}: loss {report.loss:.3f}, "
            f"validation median {report.validation_km:,.0f} km by centroid"
        )
        if report.unreadable:
            first = report.unreadable[0]
            self.say(f"pigeon-edge: {len(report.unreadable)} photographs could not be read, first: {first.reason}")

    def finish(self, fitted: FittedModel, inputs: dict[str, str]) -> None:
        """Let the model appear with its log and its settings."""
        if not self._leads:
            return
        with replacing_folder(self._out, CONFIG) as scratch:
            scratch.mkdir()
            fill(scratch, fitted)
            shutil.copyfile(self._folder / LOG, scratch / LOG)
            write_json(scratch / SETTINGS, {**inputs, "preset": asdict(self._preset)})
        shutil.rmtree(self._folder)


def _read_data(manifest: Path, cells: Path, sampling: Sampling) -> FittingData:
    geocells = read_cells(cells)
    training, validation = (read_split(manifest, split) for split in (Split.TRAIN, Split.VALIDATION))
    _check_regions(manifest, cells, geocells, training)
    return FittingData(
        examples_of(sampling(training), geocells),
        examples_of(sampling(validation), geocells),
        geocells.centroid_lat_lng,
        tuple(cell.id for cell in geocells.cells),
    )


def _check_regions(manifest: Path, cells: Path, geocells: Partition, rows: Sequence[PhotoRow]) -> None:
    """Geocells that are known by names alone have no place for photographs of other names."""
    if geocells.land is None and not {region_of_row(row) for row in rows} & set(geocells.regions):
        raise InputError(
            f"{cells}: none of the photographs of {manifest} lies in a region of these geocells; make geocells of them "
            "with: pigeon-edge train cells"
        )


def _inputs(manifest: Path, cells: Path) -> dict[str, Any]:
    return {"manifest": sha256_of(manifest), "cells": _digests(cells)}


def _digests(folder: Path) -> dict[str, str]:
    """Return checksums of the files of a folder by name; of a hub's id, which names no folder, none."""
    return {path.name: sha256_of(path) for path in sorted(folder.glob("*")) if path.is_file()}


def _silent(line: str) -> None:
    """Say nothing: one process of several talks."""
