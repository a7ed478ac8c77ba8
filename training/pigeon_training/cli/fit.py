"""``pigeon-edge train fit``: a tower and a geocell head from nothing."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import CellsOption, ManifestOption

FIT_EXAMPLES = examples("pigeon-edge train fit --manifest photos.csv --cells cells --out model")


class Preset(str, Enum):
    """A named set of training constants, see ``presets.py``."""

    TOY_QUICK = "toy-quick"
    TOY_FULL = "toy-full"


def fit(
    manifest: ManifestOption,
    cells: CellsOption,
    out: Annotated[Path, typer.Option("--out", help="The folder for the model, in transformers' format.")],
    preset: Annotated[Preset, typer.Option("--preset", help="The constants of the recipe.")] = Preset.TOY_QUICK,
) -> None:
    """Train a CLIP vision tower and a geocell head from nothing."""
    from pigeon_training.learning.fitting.fit import fit_manifest
    from pigeon_training.presets import FIT_PRESETS

    fit_manifest(manifest, cells, out, FIT_PRESETS[preset.value], say)
