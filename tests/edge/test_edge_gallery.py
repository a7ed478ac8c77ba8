from __future__ import annotations

import mmap
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from pigeon_edge.answer.encoding import unit
from pigeon_edge.bundle.format import open_bundle, seal
from pigeon_edge.bundle.gallery_writer import Clusters, build_index, prototypes, write_gallery
from pigeon_edge.bundle.parts import open_gallery
from pigeon_edge.errors import BundleError
from pigeon_edge.retrieval.gallery import Gallery
from pigeon_edge.testing import TINY_GALLERY_LAT_LNG

WIDTH = 24
OFFSETS = np.array([0, 3, 3, 8, 12])  # the second cell is empty


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(8)
    embedding = unit(rng.normal(size=(400, WIDTH)).astype(np.float32))
    cluster = rng.permutation(np.arange(400) % 12)
    lat_lng = np.stack([rng.uniform(-90, 90, 400), rng.uniform(-180, 180, 400)], axis=1)
    return embedding, cluster, lat_lng


@pytest.fixture(scope="module")
def gallery(drawn):
    embedding, cluster, lat_lng = drawn
    return Gallery(build_index(embedding, Clusters(cluster, OFFSETS)), OFFSETS, lat_lng.astype(np.float32))


def test_search_finds_what_brute_force_finds_in_every_cluster(gallery, drawn):
    embedding, cluster, _ = drawn
    queries = unit(np.random.default_rng(9).normal(size=(20, WIDTH)).astype(np.float32))
    exact = 0
    for query in queries:
        for number in range(12):
            rows = np.flatnonzero(cluster == number)
            distances = np.linalg.norm(embedding[rows] - query, axis=1)
            found = gallery.nearest_photographs(query, np.array([number]), 1)[0][0, 0]
            assert cluster[found] == number
            assert distances[rows == found][0] <= distances.min() + 0.01  # 8-bit codes
            exact += found == rows[distances.argmin()]
    assert exact >= 230  # of 240


def test_a_photograph_of_the_gallery_finds_itself(gallery, drawn):
    embedding, cluster, lat_lng = drawn
    for row in range(0, 400, 17):
        assert gallery.nearest_photographs(embedding[row], cluster[[row]], 1)[0].tolist() == [[row]]
        np.testing.assert_allclose(gallery.lat_lng(row), lat_lng[row], atol=1e-5)


def test_nearest_clusters_are_those_of_brute_force_and_stay_in_their_cell(gallery, drawn):
    embedding, cluster, _ = drawn
    centres = prototypes(embedding, cluster, 12)
    for query in embedding[:20]:
        clusters, distances = gallery.nearest_clusters(query, np.array([3, 1, 0]), 5)
        for cell, found, distance in zip((3, 0), clusters[[0, 2]], distances[[0, 2]], strict=True):
            inside = np.arange(OFFSETS[cell], OFFSETS[cell + 1])
            apart = np.linalg.norm(centres[inside] - query, axis=1)
            count = len(inside)
            assert found.tolist() == [*inside[apart.argsort()], *[-1] * (5 - count)]
            np.testing.assert_allclose(distance, [*np.sort(apart), *[np.inf] * (5 - count)], atol=1e-5)
        assert (clusters[1].tolist(), distances[1].tolist()) == ([-1] * 5, [np.inf] * 5)


def test_nearest_photographs_of_several_clusters_are_those_of_each(gallery, drawn):
    embedding, cluster, _ = drawn
    query = unit(np.random.default_rng(10).normal(size=(1, WIDTH)).astype(np.float32))[0]
    rows, distances = gallery.nearest_photographs(query, np.array([4, -1, 9]), 50)
    assert rows.shape == distances.shape == (3, 50)
    for number, found, apart in zip((4, 9), rows[[0, 2]], distances[[0, 2]], strict=True):
        inside = found[found >= 0]
        assert sorted(inside) == np.flatnonzero(cluster == number).tolist()
        assert (np.diff(apart[: len(inside)]) >= 0).all()
        np.testing.assert_allclose(apart[: len(inside)], np.linalg.norm(embedding[inside] - query, axis=1), atol=0.02)
        assert np.isinf(apart[len(inside) :]).all()
    assert (rows[1] == -1).all()
    assert np.isinf(distances[1]).all()


def test_what_a_search_will_read_is_asked_for_once(drawn, monkeypatch):
    embedding, cluster, lat_lng = drawn
    index = build_index(embedding, Clusters(cluster, OFFSETS))
    gallery = Gallery(index, OFFSETS, lat_lng.astype(np.float32))
    asked = []
    monkeypatch.setattr("pigeon_edge.system.read_ahead.read_ahead", lambda address, size: asked.append((address, size)))
    prototypes_at = int(faiss.downcast_index(index.quantizer).get_xb())
    for _ in range(2):
        gallery.nearest_clusters(embedding[0], np.array([2, 1, 0]), 2)
        assert set(asked) == {(prototypes_at + 3 * 4 * WIDTH, 5 * 4 * WIDTH), (prototypes_at, 3 * 4 * WIDTH), (0, 0)}
        assert len(asked) == 3
    asked.clear()
    for _ in range(2):
        gallery.nearest_photographs(embedding[0], np.array([7, -1]), 2)
        assert asked == [(int(index.invlists.get_codes(7)), index.get_list_size(7) * (WIDTH + 8))]
    asked.clear()
    for _ in range(2):
        gallery.lat_lng(np.array([3, 7, 399]))
        assert asked == [(gallery._lat_lng.ctypes.data, mmap.PAGESIZE)]


def test_rows_of_a_list_follow_its_codes_in_a_file(drawn, tmp_path):
    """So that one range of addresses holds both."""
    embedding, cluster, lat_lng = drawn
    write_gallery(tmp_path / "gallery", embedding, lat_lng, Clusters(cluster, OFFSETS))
    index = faiss.read_index(str(tmp_path / "gallery/index.faiss"), faiss.IO_FLAG_MMAP_IFC)
    lists = index.invlists
    for number in range(12):
        codes, rows = int(lists.get_codes(number)), int(lists.get_ids(number))
        assert 0 <= rows - codes - lists.list_size(number) * WIDTH <= 16


def test_coordinates_of_many_rows_at_once(gallery, drawn):
    rows = np.array([[3, 399], [0, 7]])
    np.testing.assert_allclose(gallery.lat_lng(rows), drawn[2][rows], atol=1e-5)
    assert gallery.lat_lng(np.empty(0, np.int64)).shape == (0, 2)


def test_prototypes_are_unit_means_and_an_empty_cluster_is_zero():
    found = prototypes(np.array([[1, 0], [0, 1], [0, -1]], np.float32), np.array([0, 0, 2]), 3)
    np.testing.assert_allclose(found, [[np.sqrt(0.5)] * 2, [0, 0], [0, -1]], atol=1e-6)


def test_prototypes_do_not_depend_on_the_blocks_they_are_summed_in(drawn, monkeypatch):
    embedding, cluster, _ = drawn
    whole = prototypes(embedding, cluster, 12)
    monkeypatch.setattr("pigeon_edge.bundle.gallery_writer._BLOCK", 7)
    np.testing.assert_allclose(prototypes(embedding, cluster, 12), whole, atol=1e-6)


def test_an_empty_cluster_has_no_photograph():
    index = build_index(np.array([[1, 0], [0, 1]], np.float32), Clusters(np.array([0, 0]), np.array([0, 2])))
    gallery = Gallery(index, np.array([0, 2]), np.zeros((2, 2), np.float32))
    assert gallery.nearest_photographs(np.array([1, 0], np.float32), np.array([1]), 1)[0].tolist() == [[-1]]
    assert gallery.cell_of_photographs()[0].tolist() == [0, 0]


def test_cells_of_photographs(gallery, drawn):
    _, cluster, lat_lng = drawn
    cells, found = gallery.cell_of_photographs()
    np.testing.assert_array_equal(cells, np.array([0] * 3 + [2] * 5 + [3] * 4)[cluster])
    np.testing.assert_allclose(found, lat_lng, atol=1e-4)


def test_the_gallery_of_a_bundle_answers(tiny):
    cells, lat_lng = open_gallery(tiny).cell_of_photographs()
    assert cells.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(lat_lng, TINY_GALLERY_LAT_LNG, atol=1e-4)


@pytest.mark.parametrize(
    "told",
    [{"photographs": 7}, {"clusters": 4}, {"embedding_width": 4}, {"cells": 4}],
    ids=lambda told: next(iter(told)),
)
def test_counts_that_differ_from_the_manifest_are_a_bundle_error(own, told):
    seal(own.path, replace(own.description, **told))
    with pytest.raises(BundleError, match=r"gallery of .* where the manifest says .*; copy the bundle again"):
        open_gallery(open_bundle(own.path))


@pytest.mark.parametrize("offsets", [[0, 2, 1, 3], [1, 1, 2, 3], [0, 1, 2, 2], [0.0, 1.0, 2.0, 3.0], [[0, 1, 2, 3]]])
def test_offsets_that_are_none_are_a_bundle_error(own, spoiled, offsets):
    np.save(own.path / "gallery/cell_offsets.npy", np.array(offsets))
    with pytest.raises(BundleError, match=r"gallery of"):
        open_gallery(spoiled())


def test_an_index_that_cannot_be_read_or_is_of_another_kind_is_a_bundle_error(own, spoiled):
    path = own.path / "gallery/index.faiss"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(BundleError, match=r"not a readable faiss index \(.*\); copy the bundle again"):
        open_gallery(spoiled())
    faiss.write_index(faiss.IndexFlatL2(3), str(path))
    with pytest.raises(BundleError, match=r"expected an IVF index, found IndexFlat"):
        open_gallery(spoiled())


def test_a_large_gallery_is_mapped_and_not_read(tmp_path, python):
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("memory of a process cannot be measured here")
    rng = np.random.default_rng(4)
    embedding = unit(rng.normal(size=(20_000, 1024)).astype(np.float32))  # 20 MB as 8-bit codes
    clusters = Clusters(np.arange(20_000) % 4, np.array([0, 4]))
    write_gallery(tmp_path / "gallery", embedding, np.zeros((20_000, 2)), clusters)
    found = python(_MAP_AND_SEARCH, tmp_path / "gallery" / "index.faiss")
    assert found.returncode == 0, found.stderr
    file_kb = (tmp_path / "gallery" / "index.faiss").stat().st_size / 1000
    assert file_kb > 20_000
    assert int(found.stdout) < file_kb / 2  # what faiss itself needs is about a quarter


_MAP_AND_SEARCH = """
import re, sys
from pathlib import Path
import faiss  # whose own memory is not the gallery's
import numpy as np
from pigeon_edge.retrieval.gallery import Gallery, read_index

def private_kb():
    fields = dict(re.findall(r"(\\w+):\\s+(\\d+) kB", Path("/proc/self/smaps_rollup").read_text()))
    return int(fields["Anonymous"])

before = private_kb()
gallery = Gallery(read_index(Path(sys.argv[1])), np.array([0, 4]), np.zeros((20_000, 2), np.float32))
assert gallery.nearest_photographs(np.ones(1024, np.float32) / 32, np.array([1]), 1)[0][0, 0] % 4 == 1
print(private_kb() - before)
"""
