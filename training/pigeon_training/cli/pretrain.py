"""``pigeon-edge train pretrain``: both towers on captions."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import ManifestOption

PRETRAIN_EXAMPLES = examples(
    "pigeon-edge train pretrain openai/clip-vit-large-patch14-336 --manifest photos.csv \\",
    "  --captions pigeon --out tower",
    "pigeon-edge train pretrain clip --manifest photos.csv --captions pigeotto --out tower --resume",
)


class Captions(str, Enum):
    """Whose captions are written, see ``learning/contrast/captions.py``."""

    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    STREETCLIP = "streetclip"


def pretrain(
    model: Annotated[str, typer.Argument(help="A CLIP model with its tokenizer: a folder, or an id of the hub.")],
    manifest: ManifestOption,
    captions: Annotated[Captions, typer.Option("--captions", help="Whose captions; their rates are the default.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the model, in transformers' format.")],
    batch: Annotated[int, typer.Option("--batch", min=2, help="Photographs that are compared with each other.")] = 1024,
    chunk: Annotated[
        int, typer.Option("--chunk", min=1, help="Photographs in memory at a time; changes nothing.")
    ] = 32,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Batches to train on.")] = 1000,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", min=0.0, help="The highest; the captions' published one.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint, in OUT.run.")] = False,
) -> None:
    """Train both towers of a CLIP model further: photographs against captions made of their manifest.

    Captions say the country and region, and where the manifest has such columns the month, heading_deg, town,
    climate (a Koeppen-Geiger class: Cfb) and driving_side (left, right).
    """
    from dataclasses import replace

    from pigeon_training.learning.contrast.captions import CaptionStyle
    from pigeon_training.learning.contrast.pretrain import PRETRAIN_PRESETS
    from pigeon_training.learning.contrast.pretrain_tower import pretrain_manifest

    preset = PRETRAIN_PRESETS[CaptionStyle(captions.value)]
    rate = preset.learning_rate if learning_rate is None else learning_rate
    settings = replace(preset, batch=batch, chunk=chunk, steps=steps, learning_rate=rate)
    pretrain_manifest(model, manifest, out, settings, say, resume=resume)
