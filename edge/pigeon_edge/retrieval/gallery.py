"""The gallery: photographs with known coordinates, memory-mapped, searched inside the cells that the classifier named.

One faiss IVF file: the coarse quantizer holds the prototypes (mean embeddings of location clusters), each inverted
list the photographs of one cluster. The geocell head and the prototypes choose the lists (``search_preassigned``), so
nothing else is read from disk. All vectors have unit length; distances are Euclidean, between what a projection leaves
of them where the index has one. faiss is imported where it is used: ``pigeon-edge doctor`` must start where it is
missing or aborts.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import BundleError
from pigeon_edge.system.read_ahead import ReadAhead

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_ROWS = mmap.PAGESIZE // 8
"""Coordinates in a page."""


class Gallery:
    """M photographs in K location clusters of C cells.

    index: a faiss IVF index, behind a projection or not; cell_offsets: (C + 1,) clusters by cell;
    lat_lng: (M, 2) degrees.
    """

    def __init__(self, index: Any, cell_offsets: Ids, lat_lng: Floats) -> None:
        self._index = index  # owns the two
        self._projection, self._ivf = parts_of(index)
        self._cell_offsets = cell_offsets
        self._lat_lng = lat_lng
        self._quantizer = _quantizer_of(self._ivf)
        self._prototypes_ahead = ReadAhead(len(cell_offsets) - 1)
        self._photographs_ahead = ReadAhead(self._ivf.nlist)
        self._lat_lng_ahead = ReadAhead(1 + len(lat_lng) // _ROWS)

    def nearest_clusters(self, embedding: Floats, cells: Ids, count: int) -> tuple[Ids, Floats]:
        """Return the ``count`` clusters of each of (T,) cells nearest to a (D,) embedding, and their distances.

        Both are (T, count), nearest first; where a cell has fewer, -1 at infinite distance.
        """
        self._prototypes_ahead.ask(cells, self._prototypes_at)
        first, sizes = self._cell_offsets[cells], self._cell_offsets[cells + 1] - self._cell_offsets[cells]
        place = np.arange(max(int(sizes.max(initial=0)), count))  # of a cluster in its cell, wide enough to answer with
        members = np.where(place < sizes[:, None], first[:, None] + place, -1)  # (T, P)
        apart = self._distances(self._projected(embedding), members)
        nearest = np.argsort(apart, axis=1, kind="stable")[:, :count]
        row = np.arange(len(cells))[:, None]
        return members[row, nearest], apart[row, nearest]

    def _projected(self, embedding: Floats) -> Floats:
        return embedding if self._projection is None else np.asarray(self._projection.apply(embedding[None])[0])

    def _distances(self, embedding: Floats, clusters: Ids) -> Floats:
        """Return the distances of a (D,) embedding to the prototypes of clusters (...), infinite for -1."""
        import faiss

        squares = np.empty(clusters.shape, np.float32)
        query, labels = np.ascontiguousarray(embedding), np.ascontiguousarray(clusters)
        self._quantizer.compute_distance_subset(
            1, faiss.swig_ptr(query), labels.size, faiss.swig_ptr(squares), faiss.swig_ptr(labels)
        )
        return np.sqrt(squares)

    def nearest_photographs(self, embedding: Floats, clusters: Ids, count: int) -> tuple[Ids, Floats]:
        """Return the ``count`` rows of each of (K,) clusters nearest to a (D,) embedding, and their distances.

        Both are (K, count), nearest first; where a cluster has fewer, or is -1, -1 at infinite distance.
        """
        rows = np.full((len(clusters), count), -1, np.int64)
        squares = np.full((len(clusters), count), np.inf, np.float32)
        present = np.flatnonzero(clusters >= 0)
        if len(present):  # an index of no vectors cannot be searched
            self._photographs_ahead.ask(clusters[present], self._photographs_at)
            queries = np.broadcast_to(self._projected(embedding), (len(present), self._ivf.d))
            unused = np.zeros((len(present), 1), np.float32)  # distances to prototypes, which plain codes do without
            found = self._ivf.search_preassigned(queries, count, clusters[present, None], unused)
            squares[present], rows[present] = found
        return rows, np.where(rows >= 0, np.sqrt(np.maximum(squares, 0)), np.inf)

    def lat_lng(self, rows: Ids) -> npt.NDArray[np.float64]:
        """Return where photographs were taken: (..., 2) degrees of rows (...,)."""
        self._lat_lng_ahead.ask(np.ravel(rows) // _ROWS, self._lat_lng_at)
        return np.asarray(self._lat_lng[rows], np.float64)

    def _prototypes_at(self, cell: int) -> tuple[int, int]:
        first, end = self._cell_offsets[cell : cell + 2].tolist()
        if first == end:  # without any prototype there is no pointer
            return 0, 0
        width = 4 * self._ivf.d  # bytes of a prototype
        return int(self._quantizer.get_xb()) + first * width, (end - first) * width

    def _photographs_at(self, cluster: int) -> tuple[int, int]:
        """Return where the codes of a cluster are, and the rows that follow them."""
        size = self._ivf.get_list_size(cluster)
        if not size:  # an empty list has no codes to point to
            return 0, 0
        return int(self._ivf.invlists.get_codes(cluster)), size * (self._ivf.code_size + 8)

    def _lat_lng_at(self, page: int) -> tuple[int, int]:
        return self._lat_lng.ctypes.data + page * mmap.PAGESIZE, mmap.PAGESIZE

    def cell_of_photographs(self) -> tuple[Ids, npt.NDArray[np.float64]]:
        """Return the geocell (M,) and coordinates (M, 2) of all photographs; reads every id, none of the vectors."""
        import faiss

        cell_of_cluster = np.repeat(np.arange(len(self._cell_offsets) - 1), np.diff(self._cell_offsets))
        cells = np.empty(self._ivf.ntotal, np.int64)
        lists = self._ivf.invlists
        for cluster, cell in enumerate(cell_of_cluster):
            size = lists.list_size(cluster)
            if size:  # an empty list has no ids to point to
                cells[faiss.rev_swig_ptr(lists.get_ids(cluster), size)] = cell
        return cells, np.asarray(self._lat_lng, np.float64)


def read_index(path: Path) -> Any:
    """Map a faiss index. Raises BundleError where it cannot be read, or is none of a gallery."""
    import faiss

    # One query scans a few short lists: threads would cost more than they save, and fight the encoder's.
    faiss.omp_set_num_threads(1)
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY)
    except (RuntimeError, MemoryError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path}: not a readable faiss index ({reason}); copy the bundle again") from error
    if not isinstance(parts_of(index)[1], faiss.IndexIVF):
        raise BundleError(f"{path}: expected an IVF index, found {type(index).__name__}; copy the bundle again")
    return index


def parts_of(index: Any) -> tuple[Any, Any]:
    """Return the projection of an index, None where it has none, and the index behind it."""
    import faiss

    chain: Any = index.chain if isinstance(index, faiss.IndexPreTransform) else None
    if chain is None or chain.size() != 1:
        return None, index
    return faiss.downcast_VectorTransform(chain.at(0)), faiss.downcast_index(index.index)


def _quantizer_of(index: Any) -> Any:
    """Return the flat index of the prototypes (K, D)."""
    import faiss

    return faiss.downcast_index(index.quantizer)
