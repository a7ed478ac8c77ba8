"""Options that several commands share, and what stands behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.cli.console import say
from pigeon_edge.encoders import Engine, automatic
from pigeon_edge.errors import UsageError
from pigeon_edge.images.photograph import DEFAULT_MAX_PIXELS
from pigeon_edge.locator import Locator, open_locator

TOY_PLANET = Path(__file__).parent.parent / "toy_planet" / "toy-planet.pigeon"

BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", envvar="PIGEON_EDGE_BUNDLE", help="The bundle to locate with; default: the toy planet."),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        "--engine", "--encoder", help="What runs the encoder; auto: the GPU where an engine was built for it."
    ),
]
MaxPixelsOption = Annotated[
    int, typer.Option("--max-pixels", min=1, help=f"Refuse images of more pixels (default {DEFAULT_MAX_PIXELS:,}).")
]
WithinOption = Annotated[
    float | None,
    typer.Option("--within", metavar="KM", min=0, help="Leave out answers that may not claim this distance."),
]


def locator_of(bundle: Path | None, engine: Engine) -> Locator:
    """Open the bundle that the user chose; say where it is the toy planet, and where a GPU stands idle."""
    if bundle is None:
        say("pigeon-edge: using the toy planet, which knows no real place; name another bundle with --bundle")
    opened = open_bundle(bundle or TOY_PLANET)
    if engine is Engine.AUTO:
        choice = automatic(opened)
        if choice.hint:
            say(f"pigeon-edge: {choice.hint}")
        return open_locator(opened, choice.engine)
    return open_locator(opened, engine)


def check_within(locator: Locator, within_km: float | None) -> None:
    """Raise UsageError where no answer of the bundle can claim a distance: all would be left out."""
    claimed_km = [claim.within_km for claim in locator.confidence.claims]
    if within_km is not None and not any(each <= within_km for each in claimed_km):
        advice = "ask for more kilometres" if claimed_km else "fit it on other photographs, or at another --risk"
        some = f"claim {', '.join(f'{each:g}' for each in claimed_km)} km" if claimed_km else "claim no distance"
        raise UsageError(
            f"--within {within_km:g}: answers of {locator.label} {some}, so all would be left out; {advice}"
        )


def allow_pixels(max_pixels: int) -> int:
    """Raise Pillow's own guard to the user's limit, so that one limit holds; return the limit."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = max_pixels
    return max_pixels
