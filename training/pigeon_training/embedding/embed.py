"""The stage ``train embed``: a manifest and an encoder in, a folder of embeddings out; interrupted, it goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pigeon_edge.cli.console import progress
from pigeon_edge.errors import UsageError
from pigeon_training.data.dataset import read_rows
from pigeon_training.embedding.embedder import chunks_of, embedded, open_embedder
from pigeon_training.embedding.run import EmbeddingRun
from pigeon_training.embedding.store import Embeddings, Encoding, open_embeddings, photograph_of, sha256_of_photographs


def embed_manifest(model: str, manifest: Path, out: Path, say: Callable[[str], None]) -> Embeddings:
    """Embed every photograph of a manifest, or those that an interrupted run left; return what was written.

    Raises UsageError where ``out``, or an unfinished run of it, is of another encoder or of other photographs.
    """
    rows = read_rows(manifest)
    photographs = [photograph_of(manifest, row) for row in rows]
    embedder = open_embedder(model)
    encoding, sha256 = Encoding.of(embedder), sha256_of_photographs(photographs)
    if out.exists():
        return _found(out, encoding, sha256, say)
    run = EmbeddingRun(out.with_name(f"{out.name}.run"), encoding, sha256)
    if run.photographs:
        say(f"pigeon-edge: {run.photographs} of {len(rows)} photographs are embedded already; the others follow")
    left = rows[run.photographs :]
    for chunk in progress(embedded(left, embedder), chunks_of(len(left)), "chunks"):
        run.append(chunk.embedding, chunk.unreadable)
    run.finish(out, photographs)
    return open_embeddings(out)


def _found(out: Path, encoding: Encoding, photographs_sha256: str, say: Callable[[str], None]) -> Embeddings:
    embeddings = open_embeddings(out)
    if (embeddings.encoding, embeddings.photographs_sha256) != (encoding, photographs_sha256):
        raise UsageError(f"{out}: embeddings of another encoder or other photographs; name another, or remove it")
    say(f"pigeon-edge: {out} holds these embeddings already")
    return embeddings
