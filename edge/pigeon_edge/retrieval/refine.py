"""Retrieval refinement: from a posterior over geocells to coordinates. The settings' type is the mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from pigeon_edge.errors import UsageError
from pigeon_edge.retrieval.gated import GatedRefinement, refine_gated
from pigeon_edge.retrieval.protocol import Doubles, Floats, Refined, Retrieval
from pigeon_edge.retrieval.published import PaperRefinement, refine_as_published
from pigeon_edge.settings import read_settings

RefinementSettings: TypeAlias = PaperRefinement | GatedRefinement


def refine(
    embedding: Floats, posterior: Doubles, centroid_lat_lng: Doubles, gallery: Retrieval, settings: RefinementSettings
) -> Refined:
    """Refine the posterior (C,) of one photograph with a unit embedding (D,); centroids are (C, 2)."""
    if isinstance(settings, PaperRefinement):
        return refine_as_published(embedding, posterior, centroid_lat_lng, gallery, settings)
    return refine_gated(embedding, posterior, centroid_lat_lng, gallery, settings)


def read_refinement(document: Mapping[str, Any]) -> RefinementSettings:
    """Return the settings whose keys a JSON object has exactly. Raises UsageError where it has those of neither.

    A bundle of the first release names no ``searched_clusters``; it searches as many as others do.
    """
    if set(document) == {field.name for field in fields(GatedRefinement)} - {"searched_clusters"}:
        document = {**document, "searched_clusters": GatedRefinement.searched_clusters}
    keys = set(document)
    if keys == {field.name for field in fields(PaperRefinement)}:
        return read_settings(PaperRefinement, document)
    if keys == {field.name for field in fields(GatedRefinement)}:
        return read_settings(GatedRefinement, document)
    raise UsageError(f"expected the keys of PaperRefinement or GatedRefinement, found {sorted(keys)}")
