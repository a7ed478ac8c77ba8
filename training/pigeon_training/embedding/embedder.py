"""Photographs to embeddings, by a vision tower or by an exported graph."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.files import sha256_of
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.manifest import PhotoRow
from pigeon_training.data.streaming import PhotoStream, singles

if TYPE_CHECKING:
    from transformers import CLIPVisionModel

Floats: TypeAlias = npt.NDArray[np.float32]

CHUNK = 256
"""Photographs that are decoded and embedded at a time; their pixels, four times over, bound the memory."""

_IMAGES_A_FORWARD = 32


@dataclass(frozen=True)
class Embedder:
    """What embeds: ``embed`` takes pixels (N, S, S, 3) uint8, N >= 1, and gives (N, D) float32 of any length.

    ``sha256`` identifies the weights, ``precision`` is what matrix products are taken in, ``width`` is D.
    """

    sha256: str
    precision: str
    spec: PreprocessSpec
    width: int
    embed: Callable[[Pixels], Floats]


@dataclass(frozen=True, eq=False)
class EmbeddedChunk:
    """Embeddings (N, D) of photographs ``rows`` (N,); ``unreadable`` has the others' place in the chunk, and why."""

    rows: tuple[PhotoRow, ...]
    embedding: Floats
    unreadable: dict[int, str]


def open_embedder(model: str) -> Embedder:
    """Return the embedder of a graph (``*.onnx``), else of a CLIP folder or an id of the hub.

    Raises InputError where there is none, EngineError or MissingToolError where a graph cannot run here.
    """
    return graph_embedder(Path(model)) if model.endswith(".onnx") else tower_embedder(model)


def graph_embedder(graph: Path) -> Embedder:
    """Return the embedder of an exported graph, on the engine of this machine. Raises as ``open_embedder``."""
    from pigeon_edge.encoders import open_graph

    spec, width = _spec_and_width(graph)
    encoder = open_graph(graph)
    return Embedder(sha256_of(graph), "graph", spec, width, lambda pixels: encoder.encode(pixels).embedding)


def tower_embedder(model: str) -> Embedder:
    """Return the embedder of a CLIP vision tower: the mean of all its tokens. Raises InputError as ``load_tower``.

    Matrix products are in bfloat16 where the GPU or processor has instructions for it, else in float32.
    """
    import torch

    from pigeon_training.matrix_precision import matrix_precision
    from pigeon_training.model.clip_folder import load_tower, read_spec
    from pigeon_training.model.geocell_model import embed_images, normalise, planes

    tower = load_tower(model)
    spec, sha256 = read_spec(model, tower.config.image_size), tower_sha256(tower)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tower.to(device)
    products = matrix_precision(device, bfloat16=True)

    def embed(pixels: Pixels) -> Floats:
        parts = torch.from_numpy(pixels).split(_IMAGES_A_FORWARD)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=products is torch.bfloat16):
            found = [embed_images(tower, normalise(planes(part.to(device)), spec)).float().cpu() for part in parts]
        return np.asarray(torch.cat(found).numpy())

    return Embedder(sha256, str(products).removeprefix("torch."), spec, tower.config.hidden_size, embed)


def tower_sha256(tower: CLIPVisionModel) -> str:
    """Return the SHA-256 of a tower's weights: names, shapes and float32 values, whatever file they came from."""
    digest = hashlib.sha256()
    for name, weight in sorted(tower.state_dict().items()):
        digest.update(f"{name.removeprefix('vision_model.')} {tuple(weight.shape)}\n".encode())
        digest.update(np.ascontiguousarray(weight.detach().cpu().float().numpy()).data)
    return digest.hexdigest()


def chunks_of(photographs: int) -> int:
    """Return how many chunks ``embedded`` makes of so many photographs."""
    return math.ceil(photographs / CHUNK)


def embedded(rows: Sequence[PhotoRow], embedder: Embedder) -> Iterator[EmbeddedChunk]:
    """Yield the embeddings of photographs in their order, ``CHUNK`` photographs at a time; the next are decoded ahead.

    Raises InputError where an embedding is not finite, and at the end where not one photograph could be read.
    """
    stream = PhotoStream(singles(rows), embedder.spec, CHUNK).in_order()
    for number, batch in enumerate(stream):
        embedding = embedder.embed(batch.pixels) if len(batch.rows) else np.empty((0, embedder.width), np.float32)
        if not np.isfinite(embedding).all():
            raise InputError(f"{batch.rows[0].path} or one after it: the embedding is not finite; check the encoder")
        reasons = {bad.row: bad.reason for bad in batch.unreadable}
        chunk = enumerate(rows[number * CHUNK : (number + 1) * CHUNK])
        yield EmbeddedChunk(batch.rows, embedding, {place: reasons[row] for place, row in chunk if row in reasons})


def left_out(reasons: Sequence[str]) -> str:
    """Return a line about photographs that could not be read, of which there is one at least."""
    return f"{len(reasons)} photographs could not be read and are left out, such as {reasons[0]}"


def _spec_and_width(graph: Path) -> tuple[PreprocessSpec, int]:
    """Return how the photographs of an exported graph are preprocessed, and how wide its embeddings are."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(graph), load_external_data=False)
        spec = PreprocessSpec.from_graph_metadata({entry.key: entry.value for entry in model.metadata_props})
        (output,) = (output for output in model.graph.output if output.name == "image_embedding")
        return spec, int(output.type.tensor_type.shape.dim[1].dim_value)
    except (OSError, DecodeError, UsageError, ValueError, IndexError) as error:
        raise InputError(f"{graph}: expected a graph of `pigeon-edge export onnx`, {error}") from error
