"""``pigeon-edge train tune``: fine-tuning."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import CellsOption, ManifestOption

TUNE_EXAMPLES = examples(
    "pigeon-edge train tune model --manifest photos.csv --cells cells --blocks last --preset toy --out tuned",
    "torchrun --nproc-per-node 2 -m pigeon_edge train tune openai/clip-vit-large-patch14-336 \\",
    "  --manifest photos.csv --cells cells --blocks all --preset pigeon --panoramas --out tuned",
)


class Preset(str, Enum):
    """A named set of training constants, see ``presets.py``."""

    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    TOY = "toy"


class Blocks(str, Enum):
    """What of the tower is trained, see ``learning/fitting/scope.py``."""

    LAST = "last"
    ALL = "all"


class Precision(str, Enum):
    """What the tower's matrix products are taken in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def tune(
    model: Annotated[str, typer.Argument(help="What `train fit` or `train heads` wrote, a CLIP folder, or a hub id.")],
    manifest: ManifestOption,
    cells: CellsOption,
    out: Annotated[Path, typer.Option("--out", help="The folder for the model; OUT.run while it is trained.")],
    blocks: Annotated[Blocks, typer.Option("--blocks", help="The tower's last block, or all of it.")] = Blocks.LAST,
    preset: Annotated[Preset, typer.Option("--preset", help="The constants of the recipe.")] = Preset.PIGEON,
    panoramas: Annotated[bool, typer.Option("--panoramas", help="The views of a place are one sample.")] = False,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="At most so many; the preset's.")] = None,
    micro_batch: Annotated[
        int | None, typer.Option("--micro-batch", min=1, help="Samples in memory at a time; changes nothing else.")
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(
            "--precision", help="Of the tower's products; the preset's. bfloat16 only where the device has it."
        ),
    ] = None,
) -> None:
    """Fine-tune a tower with its heads; the best epoch by the validation split's median error is kept.

    Several processes share the work where torchrun starts them, with the result of one.
    """
    from dataclasses import replace

    from pigeon_training.data.streaming import panoramas as views_of_places
    from pigeon_training.data.streaming import singles
    from pigeon_training.learning.fitting.fit import tune_manifest
    from pigeon_training.learning.fitting.scope import Scope
    from pigeon_training.presets import TUNE_PRESETS

    named = TUNE_PRESETS[preset.value]
    settings = replace(
        named,
        epochs=epochs or named.epochs,
        micro_batch=micro_batch or named.micro_batch,
        bfloat16=named.bfloat16 if precision is None else precision is Precision.BFLOAT16,
    )
    sampling = views_of_places if panoramas else singles
    tune_manifest(model, manifest, cells, out, settings, Scope(blocks.value), sampling, say)
