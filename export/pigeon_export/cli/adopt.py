"""``export adopt``: public weights to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.group import command_group, examples
from pigeon_export.cli.options import say_bundle

app = command_group("Public weights to a bundle, without any training.")

OutOption = Annotated[Path, typer.Option("--out", help="The bundle to write: NAME.pigeon.")]
ImagesOption = Annotated[
    Path | None,
    typer.Option("--images", help="Photographs to calibrate on, a folder or manifest; without, only weights are int8."),
]


@app.command(
    epilog=examples(
        "pigeon-edge export adopt streetclip geolocal/StreetCLIP --places cities.csv --out street.pigeon",
        "pigeon-edge export adopt streetclip clip --places cities.csv --per-country 30 --images photos \\",
        "  --out street.pigeon",
    )
)
def streetclip(
    model: Annotated[str, typer.Argument(help="A CLIP model with its tokenizer: a folder, or an id of the hub.")],
    places: Annotated[
        Path, typer.Option("--places", help="CSV: name, admin1, country, country_code, lat, lng, population.")
    ],
    out: OutOption,
    images: ImagesOption = None,
    per_country: Annotated[
        int | None, typer.Option("--per-country", min=1, help="Towns of each country, the most populous; all.")
    ] = None,
) -> None:
    """Make a bundle of StreetCLIP, or of any CLIP model, whose geocells are the towns of a table.

    The head is the text embeddings of the towns' captions. The weights of StreetCLIP are CC BY-NC 4.0.
    """
    from pigeon_export.adopt.make_bundle import adopt_streetclip

    adopt_streetclip(model, places, out, images, per_country)
    say_bundle(out)


@app.command(
    epilog=examples(
        "pigeon-edge export adopt geoclip site-packages/geoclip/model --places cities.csv --out geoclip.pigeon",
    )
)
def geoclip(
    folder: Annotated[Path, typer.Argument(help="GeoCLIP's release, or the folder geoclip/model of its package.")],
    out: OutOption,
    images: ImagesOption = None,
    backbone: Annotated[
        str | None, typer.Option("--backbone", help="Its CLIP model, a folder or hub id; the one it names.")
    ] = None,
    places: Annotated[Path | None, typer.Option("--places", help="CSV of towns to name the answers after.")] = None,
) -> None:
    """Make a bundle of GeoCLIP whose geocells are the points of its gallery. Code and weights of GeoCLIP are MIT."""
    from pigeon_export.adopt.make_bundle import adopt_geoclip

    adopt_geoclip(folder, out, images, backbone, places)
    say_bundle(out)
