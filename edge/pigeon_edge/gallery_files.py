"""Writing the gallery of a bundle: the prototypes of location clusters, and one faiss file that the device maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from faiss.contrib.ivf_tools import add_preassigned

from pigeon_edge.files import replacing_folder

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_BLOCK = 1 << 14


@dataclass(frozen=True)
class Clusters:
    """K location clusters sorted by cell: cluster of each photograph (N,), offsets by cell (C + 1,)."""

    of_photograph: Ids
    cell_offsets: Ids


def build_index(embedding: Floats, clusters: Clusters) -> faiss.IndexIVFScalarQuantizer:
    """Return an IVF index of unit embeddings (N, D), 8-bit codes; its quantizer holds the unit prototypes (K, D).

    N and K may be 0: every cell of such a gallery answers with its centroid.
    """
    width, count = embedding.shape[1], int(clusters.cell_offsets[-1])
    quantizer: Any = faiss.IndexFlatL2(width)
    quantizer.add(prototypes(embedding, clusters.of_photograph, count))
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, width, count, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2, False
    )
    if len(embedding):
        index.train(embedding)
        add_preassigned(index, embedding, clusters.of_photograph)
    quantizer.this.disown()
    index.own_fields = True
    return index


def prototypes(embedding: Floats, of_photograph: Ids, count: int) -> Floats:
    """Return (K, D) the mean embedding of each cluster, scaled to unit length; summed in float64, a block at a time."""
    sums = np.zeros((count, embedding.shape[1]), np.float64)
    order = np.argsort(of_photograph, kind="stable")
    for start in range(0, len(order), _BLOCK):
        rows = order[start : start + _BLOCK]
        cluster = of_photograph[rows]
        first = np.flatnonzero(np.diff(cluster, prepend=-1))  # of each cluster in the block
        sums[cluster[first]] += np.add.reduceat(embedding[rows].astype(np.float64), first, axis=0)
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), np.float32)


def write_gallery(folder: Path, embedding: Floats, lat_lng: npt.NDArray[np.float64], clusters: Clusters) -> None:
    """Write the three gallery files of a bundle, by rename."""
    with replacing_folder(folder, "index.faiss") as scratch:
        scratch.mkdir()
        faiss.write_index(build_index(embedding, clusters), str(scratch / "index.faiss"))
        np.save(scratch / "cell_offsets.npy", clusters.cell_offsets)
        np.save(scratch / "lat_lng.npy", lat_lng.astype(np.float32))
