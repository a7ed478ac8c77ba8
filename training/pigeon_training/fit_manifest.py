"""The stage ``train fit``: manifest and geocells in, a model folder out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pigeon_edge.photo_manifest import PhotoRow, Split, lat_lng_of_rows
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_training.cells.partition import Partition
from pigeon_training.cells.store import read_cells
from pigeon_training.dataset import read_all_pixels, read_split
from pigeon_training.fit import Examples, fit
from pigeon_training.model_folder import FittedModel, save_model
from pigeon_training.presets import FitPreset


def fit_manifest(manifest: Path, cells: Path, out: Path, preset: FitPreset, say: Callable[[str], None]) -> None:
    """Train on the training split, choose the epoch on the validation split, write the model."""
    geocells = read_cells(cells)
    spec = PreprocessSpec(preset.tower.image_size_px)
    training = _examples(read_split(manifest, Split.TRAIN), geocells, spec)
    validation = _examples(read_split(manifest, Split.VALIDATION), geocells, spec)
    say(f"pigeon-edge: {len(training.cell)} photographs to train on, {len(validation.cell)} to validate on")
    model = fit(training, validation, geocells.centroid_lat_lng, preset, say)
    save_model(out, FittedModel(model, spec, scale=None))


def _examples(rows: Sequence[PhotoRow], geocells: Partition, spec: PreprocessSpec) -> Examples:
    return Examples(read_all_pixels(rows, spec), lat_lng_of_rows(rows), geocells.cell_of_rows(rows))
