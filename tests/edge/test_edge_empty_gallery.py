"""A bundle whose gallery has no photographs: every answer is a centroid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pigeon_edge.answer.confidence import UNFITTED
from pigeon_edge.bundle.format import open_bundle, seal, verify
from pigeon_edge.bundle.gallery_writer import Clusters, write_gallery
from pigeon_edge.bundle.parts import open_cells, open_gallery
from pigeon_edge.locator import Locator
from pigeon_edge.testing import TINY_CENTROIDS, FakeEncoder, write_tiny_bundle


@pytest.fixture
def bare(tmp_path):
    """Return the three-cell world as a bundle without photographs."""
    tiny = write_tiny_bundle(tmp_path / "tiny.pigeon")
    none = Clusters(np.empty(0, np.int64), np.zeros(4, np.int64))
    write_gallery(tiny.path / "gallery", np.empty((0, 3), np.float32), np.empty((0, 2)), none)
    seal(tiny.path, replace(tiny.description, clusters=0, photographs=0))
    return open_bundle(tiny.path)


def test_gallery_without_photographs_opens(bare):
    verify(bare)
    cells, lat_lng = open_gallery(bare).cell_of_photographs()
    assert (cells.shape, lat_lng.shape) == ((0,), (0, 2))


def test_every_answer_is_the_centroid_of_its_cell(bare):
    told = bare.description
    locator = Locator(
        told.preprocess, FakeEncoder(), open_cells(bare), open_gallery(bare), told.refinement, UNFITTED, bare.label
    )
    colours = np.array([[200, 10, 10], [10, 200, 10], [10, 10, 200]], np.uint8)
    pixels = np.broadcast_to(colours[:, None, None], (3, 16, 16, 3))
    estimates = locator.locate(pixels)
    np.testing.assert_allclose([estimate.lat_lng for estimate in estimates], TINY_CENTROIDS)
    assert [estimate.refinement.photograph for estimate in estimates] == [None] * 3
    assert all(0 < estimate.candidates[0].probability <= 1 for estimate in estimates)
