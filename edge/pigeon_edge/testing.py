"""Fakes that ship, so that users and tests need neither a model nor a GPU.

A three-cell world in which colour is geography: red photographs are from Rubra, green ones from Verda, blue ones from
Blua. ``write_tiny_bundle`` writes it as a bundle, ``FakeEncoder`` encodes for it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from pigeon_edge.answer.confidence import UNFITTED
from pigeon_edge.answer.encoding import Encoding, unit
from pigeon_edge.answer.environment import EnvironmentSettings
from pigeon_edge.bundle.format import ENVIRONMENT, GRAPH, Bundle, Description, open_bundle, seal
from pigeon_edge.bundle.gallery_writer import Clusters, write_gallery
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.retrieval.published import PaperRefinement

TINY_SPEC = PreprocessSpec(16)
TINY_CENTROIDS = np.array([[10.0, 10.0], [45.0, -100.0], [-30.0, 179.9]])
TINY_PLACES = (("XR", "Rubra", "North"), ("XV", "Verda", "Plain"), ("XB", "Blua", "Isles"))
TINY_LOGIT_SCALE = 20.0
"""Large enough that a photograph of one colour is almost certain of its cell."""

TINY_GALLERY_RGB = np.array(
    [[1, 0.1, 0.1], [0.9, 0.3, 0.1], [0.1, 1, 0.1], [0.3, 0.9, 0.1], [0.1, 0.1, 1], [0.1, 0.3, 0.9]], np.float32
)
TINY_GALLERY_LAT_LNG = np.array([[10, 10], [12, 11], [45, -100], [46, -101], [-30, 179.9], [-31, -179.9]], np.float64)
"""Two photographs a cell, in one cluster each; those of Blua lie on either side of the antimeridian."""


class FakeEncoder:
    """Encodes a photograph as its mean colour; the logit of a cell is the share of its colour."""

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of (N, S, S, 3) uint8: embedding (N, 3), cell_logits (N, 3)."""
        embedding = pixels.astype(np.float32).mean(axis=(1, 2)) / 255.0  # (N, 3) float32
        return Encoding(embedding, embedding * np.float32(TINY_LOGIT_SCALE))


def write_tiny_bundle(
    folder: Path, encoder_graph: bytes = b"", environment: EnvironmentSettings | None = None
) -> Bundle:
    """Write the three-cell world as a bundle and open it.

    Without ``encoder_graph`` (an ONNX file of what ``FakeEncoder`` does) no engine can open its encoder.
    ``environment`` says how the further outputs of that graph are read.
    """
    (folder / "cells").mkdir(parents=True)
    (folder / GRAPH).write_bytes(encoder_graph)
    np.save(folder / "cells" / "centroid_lat_lng.npy", TINY_CENTROIDS)
    names = [dict(zip(("country_code", "country", "admin1"), place, strict=True)) for place in TINY_PLACES]
    (folder / "cells" / "places.json").write_text(json.dumps(names), encoding="utf-8")
    clusters = Clusters(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 2, 3]))
    write_gallery(folder / "gallery", unit(TINY_GALLERY_RGB), TINY_GALLERY_LAT_LNG, clusters)
    (folder / "confidence.json").write_text(json.dumps(UNFITTED.to_json()), encoding="utf-8")
    if environment:
        (folder / ENVIRONMENT).write_text(json.dumps(environment.to_json()), encoding="utf-8")
    (folder / "golden.safetensors").write_bytes(b"")
    (folder / "MODEL_CARD.md").write_text("# tiny\n", encoding="utf-8")
    seal(folder, _description())
    return open_bundle(folder)


def write_colour(path: Path, rgb: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> Path:
    """Write an image file of one colour (0..255 each); return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, rgb).save(path)
    return path


def _description() -> Description:
    return Description(
        name="tiny",
        created="2024-01-01T00:00:00+00:00",
        preprocess=TINY_SPEC,
        embedding_width=3,
        opset=20,
        cells=len(TINY_PLACES),
        clusters=len(TINY_PLACES),
        photographs=len(TINY_GALLERY_RGB),
        refinement=PaperRefinement(top_k=2),
        licences={"weights": "Apache-2.0", "data": "Apache-2.0"},
    )
