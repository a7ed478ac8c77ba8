"""The gallery: photographs with known coordinates, memory-mapped, searched inside the cells that the classifier named.

One faiss IVF file: the coarse quantizer holds the prototypes (mean embeddings of location clusters), each inverted
list the photographs of one cluster. The geocell head and the prototypes choose the lists (``search_preassigned``), so
nothing else is read from disk. All vectors have unit length; distances are Euclidean. faiss is imported where it is
used: ``pigeon-edge doctor`` must start where it is missing or aborts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.bundle import Bundle
from pigeon_edge.errors import BundleError

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class Gallery:
    """M photographs in K location clusters of C cells.

    index: the faiss IVF index; cell_offsets: (C + 1,) clusters by cell; lat_lng: (M, 2) degrees.
    """

    def __init__(self, index: Any, cell_offsets: Ids, lat_lng: Floats) -> None:
        self._index = index
        self._cell_offsets = cell_offsets
        self._lat_lng = lat_lng
        self._prototypes = _prototypes_of(index)  # (K, D) float32

    def nearest_clusters(self, embedding: Floats, cells: Ids, count: int) -> tuple[Ids, Floats]:
        """Return the ``count`` clusters of each of (T,) cells nearest to a (D,) embedding, and their distances.

        Both are (T, count), nearest first; where a cell has fewer, -1 at infinite distance.
        """
        first, sizes = self._cell_offsets[cells], self._cell_offsets[cells + 1] - self._cell_offsets[cells]
        place = np.arange(max(int(sizes.max(initial=0)), count))  # of a cluster in its cell, wide enough to answer with
        present = place < sizes[:, None]  # (T, P)
        members = np.where(present, first[:, None] + place, -1)  # (T, P)
        apart = np.full(members.shape, np.inf, np.float32)
        apart[present] = np.linalg.norm(self._prototypes[members[present]] - embedding, axis=1)
        nearest = np.argsort(apart, axis=1, kind="stable")[:, :count]
        clusters = np.take_along_axis(members, nearest, axis=1)
        distances = np.take_along_axis(apart, nearest, axis=1)
        return clusters, distances

    def nearest_photographs(self, embedding: Floats, clusters: Ids, count: int) -> tuple[Ids, Floats]:
        """Return the ``count`` rows of each of (K,) clusters nearest to a (D,) embedding, and their distances.

        Both are (K, count), nearest first; where a cluster has fewer, or is -1, -1 at infinite distance.
        """
        rows = np.full((len(clusters), count), -1, np.int64)
        squares = np.full((len(clusters), count), np.inf, np.float32)
        present = np.flatnonzero(clusters >= 0)
        if len(present):  # an index of no vectors cannot be searched
            queries = np.broadcast_to(embedding, (len(present), len(embedding)))
            unused = np.zeros((len(present), 1), np.float32)  # distances to prototypes, which plain codes do without
            found = self._index.search_preassigned(queries, count, clusters[present, None], unused)
            squares[present], rows[present] = found
        return rows, np.where(rows >= 0, np.sqrt(np.maximum(squares, 0)), np.inf)

    def lat_lng(self, rows: Ids) -> npt.NDArray[np.float64]:
        """Return where photographs were taken: (..., 2) degrees of rows (...,)."""
        return np.asarray(self._lat_lng[rows], np.float64)

    def cell_of_photographs(self) -> tuple[Ids, npt.NDArray[np.float64]]:
        """Return the geocell (M,) and coordinates (M, 2) of all photographs; reads every id, none of the vectors."""
        import faiss

        cell_of_cluster = np.repeat(np.arange(len(self._cell_offsets) - 1), np.diff(self._cell_offsets))
        cells = np.empty(self._index.ntotal, np.int64)
        lists = self._index.invlists
        for cluster, cell in enumerate(cell_of_cluster):
            size = lists.list_size(cluster)
            if size:  # an empty list has no ids to point to
                cells[faiss.rev_swig_ptr(lists.get_ids(cluster), size)] = cell
        return cells, np.asarray(self._lat_lng, np.float64)


def open_gallery(bundle: Bundle) -> Gallery:
    """Map the gallery of a bundle. Raises BundleError where it does not fit the manifest's counts."""
    index = _read_index(bundle.file("gallery/index.faiss"))
    offsets, lat_lng = np.array(bundle.array("gallery/cell_offsets.npy")), bundle.array("gallery/lat_lng.npy")
    told = bundle.description
    expected = (told.clusters, told.photographs, told.embedding_width, (told.cells + 1,), (told.photographs, 2))
    found = (index.nlist, index.ntotal, index.d, offsets.shape, lat_lng.shape)
    if found != expected or not _are_offsets(offsets, told.clusters) or lat_lng.dtype.kind != "f":
        raise BundleError(
            f"{bundle.path}: gallery of {found} where the manifest says {expected}; copy the bundle again"
        )
    return Gallery(index, offsets, lat_lng)


def _are_offsets(offsets: npt.NDArray[Any], count: int) -> bool:
    whole = offsets.dtype.kind == "i" and offsets[0] == 0 and offsets[-1] == count
    return bool(whole and (np.diff(offsets) >= 0).all())


def _read_index(path: Path) -> Any:
    import faiss

    # One query scans a few short lists: threads would cost more than they save, and fight the encoder's.
    faiss.omp_set_num_threads(1)
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY)
    except (RuntimeError, MemoryError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path}: not a readable faiss index ({reason}); copy the bundle again") from error
    if not isinstance(index, faiss.IndexIVF):
        raise BundleError(f"{path}: expected an IVF index, found {type(index).__name__}; copy the bundle again")
    return index


def _prototypes_of(index: Any) -> Floats:
    """Return a view (K, D) of the quantizer's vectors: the pages stay where they are mapped."""
    import faiss

    quantizer: Any = faiss.downcast_index(index.quantizer)
    view = faiss.rev_swig_ptr(quantizer.get_xb(), quantizer.ntotal * quantizer.d)
    return np.asarray(view).reshape(quantizer.ntotal, quantizer.d)
