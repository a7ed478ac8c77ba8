"""``pigeon-edge train evaluate``: how good a model is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import ManifestOption

EVALUATE_EXAMPLES = examples(
    "pigeon-edge train evaluate --bundle toy-planet.pigeon --manifest photos.csv --out evaluation.json",
    "pigeon-edge train evaluate --bundle mine.pigeon --manifest im2gps3k.csv --benchmark \\",
    "  --boundaries countries.geojson --plots pictures --out im2gps3k.json",
    "pigeon-edge train evaluate --checkpoint model --cells cells --panoramas --manifest photos.csv --out model.json",
)


def evaluate(
    manifest: ManifestOption,
    out: Annotated[Path, typer.Option("--out", help="The JSON report.")],
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="The bundle to evaluate, by the runtime of the device.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="The model of `train fit` to evaluate instead, by centroid.")
    ] = None,
    cells: Annotated[
        Path | None, typer.Option("--cells", help="The folder of `train cells`: needed for a checkpoint, and to rank.")
    ] = None,
    confidence: Annotated[
        Path | None, typer.Option("--confidence", help="Confidence settings to use in place of the bundle's.")
    ] = None,
    boundaries: Annotated[
        str | None,
        typer.Option("--boundaries", help="FILE or FILE#LAYER of countries: right is a point in the right polygon."),
    ] = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="The folder for pictures.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Places or panoramas, at most: 2000; of a benchmark all.")
    ] = None,
    panoramas: Annotated[
        bool, typer.Option("--panoramas", help="Average the views of a place; for a checkpoint.")
    ] = False,
    benchmark: Annotated[
        bool, typer.Option("--benchmark", help="Every photograph of the manifest, not its test split; no baselines.")
    ] = False,
) -> None:
    """Measure a model on photographs of places that training never saw, beside two baselines.

    One photograph a place of the test split, by default. The report has percentages within 1, 25, 200, 750 and 2500 km,
    median, mean, GeoGuessr score and their 95 % intervals; countries, geocells and tasks as far as they are known.
    """
    from pigeon_edge.errors import UsageError
    from pigeon_edge.files import write_json
    from pigeon_training.data.geography.boundaries import read_boundaries
    from pigeon_training.study.evaluation import evaluate as stage
    from pigeon_training.study.evaluation.photographs import chosen, training_photographs

    predict = stage.predictor_of(bundle, checkpoint, cells, confidence)
    if panoramas and (bundle or benchmark):
        raise UsageError("--panoramas goes with --checkpoint and the test split; a bundle takes single photographs")
    borders = read_boundaries(boundaries) if boundaries else None
    predicted = predict(chosen(manifest, limit, panoramas=panoramas, benchmark=benchmark))
    training = [] if benchmark else training_photographs(manifest)
    evaluation = stage.evaluate(predicted, manifest, training, borders)
    write_json(out, evaluation.to_json())
    for line in evaluation.lines():
        say(line)
    if plots:
        from pigeon_training.study.evaluation.pictures import write_pictures

        for path in write_pictures(plots, evaluation, borders):
            say(f"pigeon-edge: {path}")
    stage.tell_unreadable(evaluation, say)
