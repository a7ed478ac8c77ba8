"""Photographs to unit embeddings, by the encoder that ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError

from pigeon_edge.encoders.protocol import Encoder, unit
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.photo_manifest import PhotoRow
from pigeon_edge.preprocess import PreprocessSpec
from pigeon_training.dataset import read_all_pixels

CHUNK = 256


def embed(rows: Sequence[PhotoRow], encoder: Encoder, spec: PreprocessSpec) -> npt.NDArray[np.float32]:
    """Return (N, D) unit embeddings; memory is bounded by one chunk of pixels."""
    starts = range(0, len(rows), CHUNK)
    chunks = [encoder.encode(read_all_pixels(rows[start : start + CHUNK], spec)).embedding for start in starts]
    return unit(np.concatenate(chunks))


def spec_of_graph(graph: Path) -> PreprocessSpec:
    """Return how the photographs of an exported graph are preprocessed. Raises InputError for any other file."""
    try:
        model = onnx.load(str(graph), load_external_data=False)
        return PreprocessSpec.from_graph_metadata({entry.key: entry.value for entry in model.metadata_props})
    except (OSError, DecodeError, UsageError) as error:
        raise InputError(f"{graph}: {error}") from error
