"""``pigeon-edge train evaluate``: how good a bundle is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import ManifestOption

EVALUATE_EXAMPLES = examples(
    "pigeon-edge train evaluate --bundle toy-planet.pigeon --manifest photos.csv --out evaluation.json"
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
