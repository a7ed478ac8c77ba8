"""Resumable activation statistics: one file per graph and photographs, updated after every batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import fields
from itertools import islice
from pathlib import Path

import onnx
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pigeon_calibration.int8.activations import Observation, observing
from pigeon_calibration.int8.quantize import linear_inputs
from pigeon_edge.cli.console import say
from pigeon_edge.errors import InputError
from pigeon_edge.files import replacing
from pigeon_edge.images.preprocess import Pixels

SAVE_EVERY = 8
"""Batches between two saves."""

_ARRAYS = [field.name for field in fields(Observation) if field.name != "photographs"]


def observe_resumably(
    model: onnx.ModelProto, batches: Iterable[Pixels], set_sha256: str, folder: Path
) -> dict[str, Observation]:
    """Return what the linears of a graph read over all batches; raises as ``observing``.

    The file is named after the graph, which holds its preprocessing, and the set: anything else starts anew.
    """
    file = folder / f"{_key(model, set_sha256)}.safetensors"
    before, done = _read(file) if file.exists() else ({}, 0)
    if done:
        say(f"pigeon-edge: {done} batches were observed before, of the same graph and photographs ({file.name})")
    seen, number = before, done
    rest = islice(batches, done, None)
    for number, seen in enumerate(observing(model, linear_inputs(model), rest, before), start=done + 1):
        if number % SAVE_EVERY == 0:
            _write(file, seen, number)
    if number > done:
        _write(file, seen, number)
    return seen


def _key(model: onnx.ModelProto, set_sha256: str) -> str:
    digest = hashlib.sha256(model.SerializeToString(deterministic=True))
    digest.update(set_sha256.encode())
    return digest.hexdigest()


def _write(file: Path, seen: dict[str, Observation], done: int) -> None:
    arrays = {f"{tensor}|{name}": getattr(found, name) for tensor, found in seen.items() for name in _ARRAYS}
    photographs = next(iter(seen.values())).photographs
    with replacing(file) as scratch:
        save_file(arrays, scratch, {"done": str(done), "photographs": str(photographs)})


def _read(file: Path) -> tuple[dict[str, Observation], int]:
    try:
        with safe_open(file, "numpy") as opened:
            facts = opened.metadata()
            tensors = {key.partition("|")[0] for key in opened.keys()}  # noqa: SIM118, it is no mapping
            seen = {
                tensor: Observation(
                    int(facts["photographs"]), *(opened.get_tensor(f"{tensor}|{name}") for name in _ARRAYS)
                )
                for tensor in tensors
            }
            return seen, int(facts["done"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: expected what was observed, {error}; remove the file and start anew") from error
