"""``pigeon-edge train heads``: linear heads on cached embeddings."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import CellsOption, ManifestOption

HEADS_EXAMPLES = examples(
    "pigeon-edge train heads tower --embeddings embeddings --manifest placed.csv --cells cells \\",
    "  --preset pigeon --panoramas --out model",
    "pigeon-edge export onnx model --out encoder.onnx",
)


class Preset(str, Enum):
    """A named set of training constants, see ``presets.py``."""

    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    TOY = "toy"


def heads(
    model: Annotated[str, typer.Argument(help="The CLIP model that embedded: a folder, or an id of the hub.")],
    embeddings: Annotated[Path, typer.Option("--embeddings", help="The folder that `train embed` wrote.")],
    manifest: ManifestOption,
    cells: CellsOption,
    preset: Annotated[Preset, typer.Option("--preset", help="The constants of the recipe.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the model, in transformers' format.")],
    panoramas: Annotated[
        bool, typer.Option("--panoramas", help="Average the photographs of a place that have a heading.")
    ] = False,
    tau_km: Annotated[
        float | None, typer.Option("--tau-km", min=0.0, help="Smoothing length; the preset's where it is not given.")
    ] = None,
) -> None:
    """Train a geocell head, and heads for climate, month, elevation, population, temperature and rain.

    Targets of the latter are columns of the manifest, see `train geography`; a head without any is left out.
    """
    from dataclasses import replace

    from pigeon_training.data.streaming import panoramas as by_place
    from pigeon_training.data.streaming import singles
    from pigeon_training.learning.heads.fit_heads import heads_of_manifest
    from pigeon_training.presets import HEADS_PRESETS

    constants = HEADS_PRESETS[preset.value]
    if tau_km is not None:
        constants = replace(constants, smoothing=replace(constants.smoothing, tau_km=tau_km))
    heads_of_manifest(embeddings, manifest, cells, model, out, constants, by_place if panoramas else singles, say)
    say(f"pigeon-edge: wrote {out}")
