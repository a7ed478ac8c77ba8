"""``pigeon-edge train samples|geography``: what becomes of a manifest before training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import ManifestOption

SAMPLES_EXAMPLES = examples("pigeon-edge train samples --manifest photos.csv --out samples")
GEOGRAPHY_EXAMPLES = examples(
    "pigeon-edge train geography --manifest photos.csv --boundaries admin0.gpkg --boundaries admin1.gpkg \\",
    "  --climate koeppen.tif --elevation srtm.tif --population ghs_pop.tif --out placed.csv",
)


def samples(
    manifest: ManifestOption,
    out: Annotated[Path, typer.Option("--out", help="The folder for the copies.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many photographs, each of another place.")] = 24,
) -> None:
    """Copy a few photographs of places that training never sees: probes for a bundle, samples for its users."""
    from pigeon_training.data.samples import copy_samples

    copy_samples(manifest, out, count)
    say(f"pigeon-edge: {count} photographs in {out}")


def geography(
    manifest: ManifestOption,
    out: Annotated[Path, typer.Option("--out", help="The manifest with more columns, .csv or .parquet.")],
    boundaries: Annotated[
        list[str] | None,
        typer.Option("--boundaries", help="FILE or FILE#LAYER of regions; give several."),
    ] = None,
    climate: Annotated[Path | None, typer.Option("--climate", help="Koeppen-Geiger classes.")] = None,
    elevation: Annotated[Path | None, typer.Option("--elevation", help="Elevation in metres.")] = None,
    population: Annotated[Path | None, typer.Option("--population", help="Population.")] = None,
    temperature: Annotated[Path | None, typer.Option("--temperature", help="Twelve months, degrees Celsius.")] = None,
    precipitation: Annotated[Path | None, typer.Option("--precipitation", help="Twelve months, millimetres.")] = None,
) -> None:
    """Look up country, regions, climate, elevation and more for every row of a manifest, at home."""
    from pigeon_training.data.geography.augment import augment_manifest, open_geography

    sources = open_geography(boundaries or [], climate, elevation, population, temperature, precipitation)
    for column, count in augment_manifest(manifest, sources, out).items():
        say(f"pigeon-edge: {count:>9,} rows have {column}")
    say(f"pigeon-edge: {out}")
