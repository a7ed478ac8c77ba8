"""``pigeon-edge train search|label``: photographs against captions, without training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from pigeon_edge.cli.console import progress, say
from pigeon_edge.cli.group import examples

SEARCH_EXAMPLES = examples(
    "pigeon-edge train search photo.jpg --model geolocal/StreetCLIP --places cities.csv",
    "pigeon-edge train search photos --model clip --places cities.csv --per-country 30 --json | jq .place",
)
LABEL_EXAMPLES = examples(
    "pigeon-edge train label photos --model openai/clip-vit-large-patch14-336 \\",
    '  --label "a photo of a city" --label "a photo of the countryside"',
)

ImagesArgument = Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs, or folders of them.")]
ModelOption = Annotated[
    str, typer.Option("--model", help="A CLIP model with its tokenizer: a folder, or an id of the hub.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON record a line.")]

Record = dict[str, Any]


def search(
    images: ImagesArgument,
    model: ModelOption,
    places: Annotated[
        Path, typer.Option("--places", help="CSV: name, admin1, country, country_code, lat, lng, population.")
    ],
    per_country: Annotated[
        int | None, typer.Option("--per-country", min=1, help="Towns of each country, the most populous; all.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Find the country, then the region, then the town whose caption fits a photograph best (StreetCLIP's search).

    A probability is among the rivals of its level: towns of the best region, regions of the best country.
    """
    from pigeon_edge.images.scan import scan
    from pigeon_training.study.zero_shot.classify import search_photographs

    paths = scan(images).photographs
    _print(search_photographs(model, places, per_country, paths, say), len(paths), _place, json=json)


def label(
    images: ImagesArgument,
    model: ModelOption,
    labels: Annotated[
        list[str], typer.Option("--label", help='A caption such as "a photo of a city"; give two or more.')
    ],
    json: JsonOption = False,
) -> None:
    """Find which of several captions of your own fits each photograph: climate, city or countryside, building style."""
    from pigeon_edge.images.scan import scan
    from pigeon_training.study.zero_shot.classify import label_photographs

    paths = scan(images).photographs
    _print(label_photographs(model, labels, paths), len(paths), _labels, json=json)


def _print(records: Iterable[Record], total: int, words: Callable[[Record], str], *, json: bool) -> None:
    """Print records as JSON or in words. Raises PartialFailureError at the end where photographs could not be read."""
    from pigeon_edge.errors import PartialFailureError
    from pigeon_edge.sinks.files import json_line, printable

    read = list(progress(records, total, "photographs"))
    errors = [record["error"] for record in read if record["status"] == "error"]
    lines = [f"{record['source_id']}: {words(record)}\n" for record in read if record["status"] != "error"]
    typer.echo("".join(map(json_line, read)) if json else printable("".join(lines)), nl=False)
    for error in errors:
        say(f"pigeon-edge: {error}")
    if errors:
        raise PartialFailureError(f"{len(errors)} of {total} photographs could not be read")


def _place(record: Record) -> str:
    place, chance, location = record["place"], record["probability"], record["location"]
    names = [f"{place[level]} {chance[level]:.0%}" for level in ("town", "admin1", "country") if place[level]]
    return f"{', '.join(names)}; {location['lat']:.4f}, {location['lon']:.4f}"


def _labels(record: Record) -> str:
    chances = sorted(record["probability"].items(), key=lambda item: -item[1])
    return ", ".join(f"{label} {chance:.0%}" for label, chance in chances)
