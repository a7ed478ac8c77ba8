"""Which refinement a bundle is packed with: a mode, published settings, and what was asked for instead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pigeon_edge.errors import UsageError
from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.scan import scan
from pigeon_edge.retrieval.gated import GatedRefinement
from pigeon_edge.retrieval.published import PUBLISHED, PaperRefinement, on_unit_scale
from pigeon_edge.retrieval.refine import RefinementSettings, read_refinement
from pigeon_training.embedding.embedder import graph_embedder

PROBES = 16
"""Photographs that tell how long an encoder's embeddings are."""


def refinement_of(mode: str, asked: Mapping[str, float | None], encoder: Path, probes: Path) -> RefinementSettings:
    """Return the settings of a mode with the values asked for in their place; those of None are the mode's own.

    Raises UsageError for a value that the mode does not have.
    """
    settings = _settings(mode, encoder, probes)
    values = {name: value for name, value in asked.items() if value is not None}
    unknown = [name for name in values if name not in vars(settings)]
    if unknown:
        raise UsageError(f"{mode} refinement has no {', '.join(unknown)}; it has {', '.join(vars(settings))}")
    return read_refinement({**vars(settings), **values})


def _settings(mode: str, encoder: Path, probes: Path) -> RefinementSettings:
    if mode in PUBLISHED:
        embedder = graph_embedder(encoder)
        pixels = np.stack([read_pixels(path, embedder.spec) for path in scan([probes]).photographs[:PROBES]])
        return on_unit_scale(PUBLISHED[mode], embedder.embed(pixels))
    return GatedRefinement() if mode == "gated" else PaperRefinement()
