"""Where a training stands after an epoch, so that an interrupted one goes on as if nothing had been."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from pigeon_edge.errors import InputError
from pigeon_edge.files import replacing, write_json
from pigeon_training.learning.stopping import BestEpoch
from pigeon_training.model.geocell_model import GeocellModel

STATE, IDENTITY = "state.pt", "run.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run in its folder; every process keeps its own random numbers, the first one all else."""

    folder: Path
    rank: int
    goes_on: bool

    def write(
        self,
        epochs: int,
        model: GeocellModel,
        schedule: torch.optim.lr_scheduler.LambdaLR,
        best: BestEpoch,
        generator: torch.Generator | None,
    ) -> None:
        """Keep where the run stands after so many epochs, by rename."""
        if generator is not None:
            _save(self._random, {"state": generator.get_state()})
        if self.rank == 0:
            trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
            state = {"epochs": epochs, "model": trained, "best": vars(best), "schedule": schedule.state_dict()}
            _save(self.folder / STATE, {**state, "optimizer": schedule.optimizer.state_dict()})

    def read(
        self,
        model: GeocellModel,
        schedule: torch.optim.lr_scheduler.LambdaLR,
        best: BestEpoch,
        generator: torch.Generator | None,
    ) -> int:
        """Take over where the run stood; return how many epochs it had done, 0 where it begins.

        Raises InputError where the file is torn.
        """
        if not self.goes_on:
            return 0
        state = _load(self.folder / STATE)
        weights = dict(model.named_parameters())
        with torch.no_grad():
            for name, weight in state["model"].items():
                weights[name].copy_(weight)
        schedule.optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        for name, value in state["best"].items():
            setattr(best, name, value)
        if generator is not None:
            generator.set_state(_load(self._random)["state"])
        return int(state["epochs"])

    @property
    def _random(self) -> Path:
        return self.folder / f"random-{self.rank}.pt"


def epochs_done(folder: Path, identity: Mapping[str, Any]) -> int:
    """Return how many epochs the run in a folder has done, 0 where there is none or where it is another one."""
    try:
        same = json.loads((folder / IDENTITY).read_text(encoding="utf-8")) == json.loads(json.dumps(identity))
        return int(_load(folder / STATE)["epochs"]) if same else 0
    except (OSError, ValueError, InputError):
        return 0


def write_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    """Write what a run that goes on must have in common with this one."""
    write_json(folder / IDENTITY, identity)


def _save(path: Path, state: Mapping[str, Any]) -> None:
    with replacing(path) as scratch:
        torch.save(dict(state), scratch)


def _load(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError) as error:
        raise InputError(f"{path}: expected the state of a training, {error}; remove {path.parent}") from error
    return state
