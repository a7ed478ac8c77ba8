"""``pigeon-edge train``: one command a stage. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import command_group, examples
from pigeon_training.manifests.cli import app as manifest_app

app = command_group("Make a model of your own.")
app.add_typer(manifest_app, name="manifest")

ManifestOption = Annotated[Path, typer.Option("--manifest", help="CSV of photographs: path, lat, lng, place_id, ...")]
CellsOption = Annotated[Path, typer.Option("--cells", help="The folder that `train cells` wrote.")]


class Size(str, Enum):
    """How much of the planet is made."""

    QUICK = "quick"
    FULL = "full"


class Preset(str, Enum):
    """A named set of training constants, see ``presets.py``."""

    TOY_QUICK = "toy-quick"
    TOY_FULL = "toy-full"


class Captions(str, Enum):
    """Whose captions are written, see ``captions.py``."""

    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    STREETCLIP = "streetclip"


class CellsPreset(str, Enum):
    """A named set of constants for geocells, see ``presets.py``."""

    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    TOY = "toy"


@app.command(epilog=examples("pigeon-edge train planet --out planet --size quick"))
def planet(
    out: Annotated[Path, typer.Option("--out", help="The folder for everything that is made.")],
    size: Annotated[Size, typer.Option("--size", help="quick: two minutes; full: what ships.")] = Size.QUICK,
    seed: Annotated[int, typer.Option("--seed", help="Of the planet and its places.")] = 7,
) -> None:
    """Make a model of the procedural planet, from nothing to OUT/toy-planet.pigeon.

    Prints and runs the commands of every stage; the same ones make a model of your own photographs. A stage whose
    output exists already is not run again.
    """
    from pigeon_training.planet.recipe import make_planet

    make_planet(out, size.value, seed)


@app.command(epilog=examples("pigeon-edge train render --out photographs --places 1000"))
def render(
    out: Annotated[Path, typer.Option("--out", help="The folder for photographs and manifest.csv.")],
    places: Annotated[int, typer.Option("--places", min=1, help="Places, each photographed in four directions.")],
    seed: Annotated[int, typer.Option("--seed", help="Of the planet and its places.")] = 7,
    size_px: Annotated[int, typer.Option("--size-px", min=32, help="Width and height of a photograph.")] = 96,
) -> None:
    """Photograph the procedural planet: JPEGs with EXIF GPS, and manifest.csv."""
    from pigeon_training.planet.album import render_album

    count = render_album(out, places, seed, size_px)
    say(f"pigeon-edge: {count} photographs of {places} places in {out}")


@app.command(epilog=examples("pigeon-edge train atlas --events estimates.jsonl --out pictures"))
def atlas(
    events: Annotated[Path, typer.Option("--events", help="JSON lines of `geotag`, of photographs of the planet.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for map.png and photographs.jpg.")],
    seed: Annotated[int, typer.Option("--seed", help="Of the planet.")] = 7,
) -> None:
    """Draw the planet's map with truths and estimates on it, and the photographs side by side."""
    from pigeon_training.planet.atlas import write_atlas

    write_atlas(events, out, seed)


@app.command(epilog=examples("pigeon-edge train samples --manifest photos.csv --out samples"))
def samples(
    manifest: ManifestOption,
    out: Annotated[Path, typer.Option("--out", help="The folder for the copies.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many photographs, each of another place.")] = 24,
) -> None:
    """Copy a few photographs of places that training never sees: probes for a bundle, samples for its users."""
    from pigeon_training.samples import copy_samples

    copy_samples(manifest, out, count)
    say(f"pigeon-edge: {count} photographs in {out}")


@app.command(
    epilog=examples(
        "pigeon-edge train geography --manifest photos.csv --boundaries admin0.gpkg --boundaries admin1.gpkg \\",
        "  --climate koeppen.tif --elevation srtm.tif --population ghs_pop.tif --out placed.csv",
    )
)
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
    from pigeon_training.geography.augment import augment_manifest, open_geography

    sources = open_geography(boundaries or [], climate, elevation, population, temperature, precipitation)
    for column, count in augment_manifest(manifest, sources, out).items():
        say(f"pigeon-edge: {count:>9,} rows have {column}")
    say(f"pigeon-edge: {out}")


@app.command(
    epilog=examples(
        "pigeon-edge train cells --manifest photos.csv --min-size 100 --out cells",
        "pigeon-edge train cells --manifest photos.csv --preset pigeon \\",
        "  --boundaries countries.geojson --boundaries admin1.geojson.gz --out cells",
    )
)
def cells(
    manifest: ManifestOption,
    out: Annotated[Path, typer.Option("--out", help="The folder for the geocells.")],
    boundaries: Annotated[
        list[Path] | None,
        typer.Option("--boundaries", help="A file of countries, then one for each finer level."),
    ] = None,
    preset: Annotated[
        CellsPreset, typer.Option("--preset", help="The sizes and the OPTICS schedule.")
    ] = CellsPreset.TOY,
    min_size: Annotated[
        int | None,
        typer.Option("--min-size", min=1, help="Training photographs a geocell, at least; else the preset's."),
    ] = None,
    max_size: Annotated[int | None, typer.Option("--max-size", min=1, help="The same, at most.")] = None,
) -> None:
    """Make semantic geocells of the countries and regions in a manifest, or in files of boundaries."""
    from pigeon_training.cells.stage import make_cells
    from pigeon_training.presets import CELL_PRESETS, sized

    make_cells(manifest, boundaries or [], sized(CELL_PRESETS[preset.value], min_size, max_size), out, say)


@app.command(
    epilog=examples(
        "pigeon-edge train pretrain openai/clip-vit-large-patch14-336 --manifest photos.csv \\",
        "  --captions pigeon --out tower",
        "pigeon-edge train pretrain clip --manifest photos.csv --captions pigeotto --out tower --resume",
    )
)
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
    climate ("a humid subtropical climate"), climate_label ("humid subtropical") and driving_side (left, right).
    """
    from dataclasses import replace

    from pigeon_training.captions import CaptionStyle
    from pigeon_training.contrast.pretrain import PRETRAIN_PRESETS
    from pigeon_training.contrast.stage import pretrain_manifest

    preset = PRETRAIN_PRESETS[CaptionStyle(captions.value)]
    rate = preset.learning_rate if learning_rate is None else learning_rate
    settings = replace(preset, batch=batch, chunk=chunk, steps=steps, learning_rate=rate)
    pretrain_manifest(model, manifest, out, settings, say, resume=resume)


@app.command(epilog=examples("pigeon-edge train fit --manifest photos.csv --cells cells --out model"))
def fit(
    manifest: ManifestOption,
    cells: CellsOption,
    out: Annotated[Path, typer.Option("--out", help="The folder for the model, in transformers' format.")],
    preset: Annotated[Preset, typer.Option("--preset", help="The constants of the recipe.")] = Preset.TOY_QUICK,
) -> None:
    """Train a CLIP vision tower and a geocell head from nothing."""
    from pigeon_training.fit_manifest import fit_manifest
    from pigeon_training.presets import FIT_PRESETS

    fit_manifest(manifest, cells, out, FIT_PRESETS[preset.value], say)


@app.command(
    epilog=examples(
        "pigeon-edge train gallery --manifest photos.csv --cells cells \\",
        "  --encoder encoder.int8.onnx --out gallery",
    )
)
def gallery(
    manifest: ManifestOption,
    cells: CellsOption,
    encoder: Annotated[Path, typer.Option("--encoder", help="The graph that ships: encoder.int8.onnx.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the gallery.")],
    reach_km: Annotated[float, typer.Option("--reach-km", min=0.0, help="Radius of a location cluster.")] = 15.0,
    limit_per_place: Annotated[int, typer.Option("--per-place", min=1, help="Photographs a place, at most.")] = 4,
) -> None:
    """Embed the training photographs with the graph that ships, and index them."""
    from pigeon_training.gallery import gallery_of_manifest

    count, clusters = gallery_of_manifest(manifest, cells, encoder, out, reach_km, limit_per_place)
    say(f"pigeon-edge: {count} photographs in {clusters} location clusters in {out}")


@app.command(
    epilog=examples("pigeon-edge train evaluate --bundle toy-planet.pigeon --manifest photos.csv --out evaluation.json")
)
def evaluate(
    bundle: Annotated[Path, typer.Option("--bundle", help="The bundle to evaluate.")],
    manifest: ManifestOption,
    out: Annotated[Path, typer.Option("--out", help="The JSON report.")],
    confidence: Annotated[
        Path | None, typer.Option("--confidence", help="Confidence settings to use in place of the bundle's.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Places of the test split, at most.")] = 2000,
) -> None:
    """Measure a bundle on single photographs of places that training never saw, beside two baselines."""
    from dataclasses import replace

    from pigeon_edge.bundle import open_bundle
    from pigeon_edge.confidence import read_confidence
    from pigeon_edge.files import write_json
    from pigeon_edge.locator import open_locator
    from pigeon_edge.photo_manifest import Split
    from pigeon_training import evaluate as evaluation
    from pigeon_training.dataset import read_split
    from pigeon_training.samples import one_photograph_a_place

    locator = open_locator(open_bundle(bundle))
    if confidence:
        locator = replace(locator, confidence=read_confidence(confidence))
    rows = one_photograph_a_place(read_split(manifest, Split.TEST), limit)
    report = evaluation.evaluate(locator, rows, read_split(manifest, Split.TRAIN))
    write_json(out, report.to_json())
    for name in ("ours", "by_centroid", "constant_guess", "nearest_pixels"):
        numbers = getattr(report, name)
        say(f"pigeon-edge: {name:<15} median {numbers.median_km:>8,.1f} km, % within km {numbers.percent_within_km}")
