"""``pigeon-edge train embed``: embeddings, once for all that is trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_training.cli.options import ManifestOption

EMBED_EXAMPLES = examples(
    "pigeon-edge train embed openai/clip-vit-large-patch14-336 --manifest photos.csv --out embeddings",
    "pigeon-edge train embed encoder.int8.onnx --manifest photos.csv --out embeddings",
)


def embed(
    model: Annotated[str, typer.Argument(help="A CLIP folder or hub id, or a graph: encoder*.onnx.")],
    manifest: ManifestOption,
    out: Annotated[Path, typer.Option("--out", help="The folder for the embeddings.")],
) -> None:
    """Embed every photograph of a manifest once. An interrupted run goes on where it stopped, from OUT.run."""
    from pigeon_edge.errors import PartialFailureError
    from pigeon_training.embedding.embed import embed_manifest

    embeddings = embed_manifest(model, manifest, out, say)
    count, width = embeddings.embedding.shape
    precision = embeddings.encoding.precision
    products = "by the graph" if precision == "graph" else f"products in {precision}"
    say(f"pigeon-edge: {count} embeddings of {width} in {out}; {products}")
    if embeddings.unreadable:
        where = out / "unreadable.csv"
        raise PartialFailureError(f"{len(embeddings.unreadable)} photographs could not be read, see {where}")
