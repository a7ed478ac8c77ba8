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
class Codes:
    """How an index keeps embeddings: so many principal components, or all as they are, in so many bits each."""

    components: int | None
    bits: int


CODES = {"full": Codes(None, 8), "small": Codes(160, 4)}
"""``small`` takes 80 bytes of a photograph where ``full`` takes 768 of a CLIP ViT-L/14's."""

_KINDS = {4: faiss.ScalarQuantizer.QT_4bit, 8: faiss.ScalarQuantizer.QT_8bit}


@dataclass(frozen=True)
class Clusters:
    """K location clusters sorted by cell: cluster of each photograph (N,), offsets by cell (C + 1,)."""

    of_photograph: Ids
    cell_offsets: Ids


def build_index(embedding: Floats, clusters: Clusters, codes: Codes = CODES["full"]) -> faiss.Index:
    """Return an IVF index of unit embeddings (N, D); its quantizer holds the unit prototypes (K, D).

    Both are behind a projection where principal components are kept; no more photographs than D are kept as they are,
    for so few do not tell the components. N and K may be 0: every cell of such a gallery answers with its centroid.
    """
    centres = prototypes(embedding, clusters.of_photograph, int(clusters.cell_offsets[-1]))
    if codes.components is None or len(embedding) <= embedding.shape[1]:
        return _ivf(embedding, centres, clusters.of_photograph, CODES["full"].bits)
    projection: Any = faiss.PCAMatrix(embedding.shape[1], min(codes.components, embedding.shape[1]))
    projection.train(embedding)
    ivf: Any = _ivf(projection.apply(embedding), projection.apply(centres), clusters.of_photograph, codes.bits)
    index = faiss.IndexPreTransform(projection, ivf)
    projection.this.disown()
    ivf.this.disown()
    index.own_fields = True
    return index


def _ivf(vectors: Floats, centres: Floats, of_photograph: Ids, bits: int) -> faiss.IndexIVFScalarQuantizer:
    width = vectors.shape[1]
    quantizer: Any = faiss.IndexFlatL2(width)
    quantizer.add(centres)
    index = faiss.IndexIVFScalarQuantizer(quantizer, width, len(centres), _KINDS[bits], faiss.METRIC_L2, False)
    if len(vectors):
        index.train(vectors)
        add_preassigned(index, vectors, of_photograph)
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


def write_gallery(
    folder: Path,
    embedding: Floats,
    lat_lng: npt.NDArray[np.float64],
    clusters: Clusters,
    codes: Codes = CODES["full"],
) -> None:
    """Write the three gallery files of a bundle, by rename."""
    with replacing_folder(folder, "index.faiss") as scratch:
        scratch.mkdir()
        faiss.write_index(build_index(embedding, clusters, codes), str(scratch / "index.faiss"))
        np.save(scratch / "cell_offsets.npy", clusters.cell_offsets)
        np.save(scratch / "lat_lng.npy", lat_lng.astype(np.float32))
