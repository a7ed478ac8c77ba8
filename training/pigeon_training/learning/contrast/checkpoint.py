"""A checkpoint of pre-training: weights, the optimiser's state and the step, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.files import replacing


def write_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, steps_done: int, run: Mapping[str, Any]
) -> None:
    """Write a checkpoint by rename; ``run`` is what a run that goes on must have in common with this one."""
    tensors = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    metadata = {"steps_done": str(steps_done), "run": json.dumps(run, sort_keys=True)}
    with replacing(path) as scratch:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, scratch, metadata)


def read_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, run: Mapping[str, Any]) -> int:
    """Take over a checkpoint; return how many steps were done.

    Raises InputError for a file that is none, UsageError where it belongs to another run.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no iterator)
        steps_done, told = int(metadata["steps_done"]), json.loads(metadata["run"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected a checkpoint of pre-training, {error}; start anew without it") from error
    _check_same(path, told, run)
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    optimizer.load_state_dict({**optimizer.state_dict(), "state": _optimizer_state(tensors)})
    return steps_done


def _optimizer_state(tensors: Mapping[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            number, _, key = rest.partition(".")
            state.setdefault(int(number), {})[key] = tensor
    return state


def _check_same(path: Path, told: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    differing = sorted(key for key in {*told, *run} if told.get(key) != run.get(key))
    if differing:
        key = differing[0]
        raise UsageError(
            f"{path}: a run with {key} {told.get(key)!r}, not {run.get(key)!r}; name the same, or start anew elsewhere"
        )
