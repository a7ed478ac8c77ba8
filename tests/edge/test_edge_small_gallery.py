"""A gallery of principal components: the same answers from a tenth of the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from pigeon_edge.answer.encoding import unit
from pigeon_edge.bundle.format import open_bundle, seal, verify
from pigeon_edge.bundle.gallery_writer import CODES, Clusters, Codes, build_index, write_gallery
from pigeon_edge.bundle.parts import open_gallery
from pigeon_edge.errors import BundleError
from pigeon_edge.retrieval.gallery import Gallery
from pigeon_edge.retrieval.gated import GatedRefinement, refine_gated

WIDTH, CELLS = 768, 20
OFFSETS = np.arange(CELLS + 1) * 5
SMALL = CODES["small"]


@pytest.fixture(scope="module")
def drawn():
    """Photographs whose embeddings differ in 60 directions by much and in the others by little, as CLIP's do."""
    rng = np.random.default_rng(3)
    directions = np.linalg.qr(rng.normal(size=(WIDTH, 60)))[0].T
    cluster = np.repeat(np.arange(CELLS * 5), 20)
    centres = rng.normal(size=(CELLS * 5, 60))[cluster] + rng.normal(size=(len(cluster), 60))
    embedding = unit((centres @ directions + 0.05 * rng.normal(size=(len(cluster), WIDTH)) + 0.2).astype(np.float32))
    return embedding, Clusters(cluster, OFFSETS), rng.uniform((-60, -180), (70, 180), (len(cluster), 2))


@pytest.fixture(scope="module")
def galleries(drawn):
    embedding, clusters, lat_lng = drawn
    return [
        Gallery(build_index(embedding, clusters, codes), OFFSETS, lat_lng.astype(np.float32))
        for codes in (CODES["full"], SMALL)
    ]


def test_small_gallery_finds_what_the_full_one_finds(galleries, drawn):
    full, small = galleries
    same = 0
    for row in range(0, 2000, 40):
        near_clusters = [gallery.nearest_clusters(drawn[0][row], np.array([row // 100]), 5) for gallery in galleries]
        np.testing.assert_array_equal(near_clusters[0][0], near_clusters[1][0])
        np.testing.assert_allclose(near_clusters[0][1], near_clusters[1][1], atol=0.1)
        cluster = near_clusters[0][0][0]
        assert full.nearest_photographs(drawn[0][row], cluster, 1)[0][0, 0] == row
        assert small.nearest_photographs(drawn[0][row], cluster, 1)[0][0, 0] == row
        found = [set(gallery.nearest_photographs(drawn[0][row], cluster, 5)[0].ravel()) for gallery in galleries]
        same += len(found[0] & found[1]) / len(found[0])
    assert same / 50 > 0.8  # by chance 0.25


def test_small_gallery_tells_near_from_far(galleries, drawn):
    _, small = galleries
    rows, distance = small.nearest_photographs(drawn[0][0], np.array([0]), 20)
    assert rows[0, 0] == 0
    exact = np.linalg.norm(drawn[0][rows[0]] - drawn[0][0], axis=1)
    assert np.corrcoef(exact, distance[0])[0, 1] > 0.97


def test_refinement_from_a_small_gallery_answers_as_from_a_full_one(galleries, drawn):
    embedding, _, lat_lng = drawn
    centroids = lat_lng[::100]
    rng = np.random.default_rng(1)
    moved = 0
    for row in range(0, 2000, 40):
        chances = rng.dirichlet(np.ones(CELLS))
        found = [refine_gated(embedding[row], chances, centroids, one, GatedRefinement()) for one in galleries]
        moved += found[0].photographs[0] != found[1].photographs[0]
    assert moved <= 2  # of 50


def test_a_photograph_of_a_small_gallery_takes_at_most_120_bytes(galleries, tmp_path, drawn):
    """Its codes, row and coordinates; a prototype is shared by 50 photographs where clusters are as PIGEOTTO's."""
    embedding, clusters, lat_lng = drawn
    sizes = []
    for count in (1000, 2000):
        half = Clusters(clusters.of_photograph[:count], OFFSETS)
        write_gallery(tmp_path / f"{count}", embedding[:count], lat_lng[:count], half, SMALL)
        sizes.append(sum(file.stat().st_size for file in (tmp_path / f"{count}").iterdir()))
    prototype = 4 * SMALL.components / 50
    assert (sizes[1] - sizes[0]) / 1000 + prototype <= 120


def test_a_bundle_may_have_a_small_gallery(own):
    embedding = _write_small(own.path / "gallery", own.description.embedding_width)
    seal(own.path, replace(own.description, photographs=300))
    bundle = open_bundle(own.path)
    verify(bundle)
    gallery = open_gallery(bundle)
    assert faiss.read_index(str(bundle.file("gallery/index.faiss"))).index.d == own.description.embedding_width
    assert gallery.cell_of_photographs()[0].tolist() == [0, 1, 2] * 100
    assert 33 in gallery.nearest_photographs(embedding[33], np.array([0]), 4)[0]


def test_small_gallery_of_another_width_is_a_bundle_error(own, spoiled):
    _write_small(own.path / "gallery", own.description.embedding_width + 1)
    seal(own.path, replace(own.description, photographs=300))
    with pytest.raises(BundleError, match=r"gallery of .* where the manifest says .*; copy the bundle again"):
        open_gallery(open_bundle(own.path))


def _write_small(folder, width):
    """Write 300 photographs, the clusters taking turns; return their embeddings."""
    embedding = unit(np.random.default_rng(0).normal(size=(300, width)).astype(np.float32))
    write_gallery(folder, embedding, np.zeros((300, 2)), Clusters(np.arange(300) % 3, np.array([0, 1, 2, 3])), SMALL)
    return embedding


def test_an_index_behind_two_projections_is_a_bundle_error(own, spoiled):
    embedding = unit(np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32))
    index = build_index(embedding, Clusters(np.zeros(50, np.int64), np.array([0, 1])), Codes(4, 8))
    rotation = faiss.RandomRotationMatrix(8, 8)
    index.prepend_transform(rotation)
    rotation.this.disown()  # the index owns it
    faiss.write_index(index, str(own.path / "gallery/index.faiss"))
    with pytest.raises(BundleError, match=r"expected an IVF index, found IndexPreTransform"):
        open_gallery(spoiled())


@pytest.mark.parametrize("count", [0, 1, 3])
def test_small_gallery_of_fewer_photographs_than_components(count):
    embedding = unit(np.random.default_rng(0).normal(size=(count, WIDTH)).astype(np.float32))
    offsets = np.array([0, min(count, 1)])
    index = build_index(embedding, Clusters(np.zeros(count, np.int64), offsets), SMALL)
    gallery = Gallery(index, offsets, np.zeros((count, 2), np.float32))
    look = embedding[0] if count else unit(np.ones((1, WIDTH), np.float32))[0]
    found = refine_gated(look, np.ones(1), np.array([[5.0, 6.0]]), gallery, GatedRefinement())
    assert found.photographs.tolist() == ([0] if count else [-1])


def test_a_small_gallery_is_mapped_and_not_read(tmp_path, python):
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("memory of a process cannot be measured here")
    rng = np.random.default_rng(4)
    embedding = unit(rng.normal(size=(200_000, 160)).astype(np.float32))  # 16 MB as 4-bit codes
    clusters = Clusters(np.arange(200_000) % 4, np.array([0, 4]))
    write_gallery(tmp_path / "gallery", embedding, np.zeros((200_000, 2)), clusters, SMALL)
    found = python(_MAP_AND_SEARCH, tmp_path / "gallery" / "index.faiss")
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "gallery" / "index.faiss").stat().st_size > 17_000_000
    assert int(found.stdout) < 8_000


_MAP_AND_SEARCH = """
import re, sys
from dataclasses import replace
from pathlib import Path
import faiss  # whose own memory is not the gallery's
import numpy as np
from pigeon_edge.retrieval.gallery import Gallery, read_index

def private_kb():
    fields = dict(re.findall(r"(\\w+):\\s+(\\d+) kB", Path("/proc/self/smaps_rollup").read_text()))
    return int(fields["Anonymous"])

before = private_kb()
gallery = Gallery(read_index(Path(sys.argv[1])), np.array([0, 4]), np.zeros((200_000, 2), np.float32))
assert gallery.nearest_photographs(np.ones(160, np.float32) / 160**0.5, np.array([1]), 1)[0][0, 0] % 4 == 1
print(private_kb() - before)
"""
