"""``pigeon-edge train ablate``: what each contribution buys."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples

ABLATE_EXAMPLES = examples(
    "pigeon-edge train ablate --out ablation", "pigeon-edge train ablate --out ablation --baselines"
)


class AblationSize(str, Enum):
    """How large the planet and the towers are, see ``study/ablation/settings.py``."""

    QUICK = "quick"
    FULL = "full"


def ablate(
    out: Annotated[Path, typer.Option("--out", help="The folder for photographs, tables and JSON.")],
    size: Annotated[AblationSize, typer.Option("--size", help="quick: ten minutes.")] = AblationSize.QUICK,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Compare with the systems before PIGEON, in place of the ablation.")
    ] = False,
) -> None:
    """Train PIGEON's contributions one after the other on the procedural planet, and tell what each buys."""
    from pigeon_training.study.ablation.ablate import ablate as run
    from pigeon_training.study.ablation.ablate import compare_earlier, open_material
    from pigeon_training.study.ablation.settings import SIZES

    material = open_material(out, SIZES[size.value])
    if baselines:
        compare_earlier(out, material, say)
    else:
        run(out, material, say)
    typer.echo((out / ("earlier.md" if baselines else "ablation.md")).read_text(encoding="utf-8"), nl=False)
