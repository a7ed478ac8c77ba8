"""The machine under examination, and how it is asked."""

from __future__ import annotations

import grp
import json
import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pigeon_edge.doctor.finding import Finding, Status
from pigeon_edge.errors import EngineError
from pigeon_edge.system.files import FILE_SYSTEM
from pigeon_edge.system.machine import Machine, has_nvidia_driver, is_jetson, this_machine
from pigeon_edge.system.memory import meminfo
from pigeon_edge.system.programs import Outcome, ask

TIMEOUT_S = 10.0
"""Longer than TensorRT or OpenVINO take to load from a slow card; a program that takes more is taken for hanging."""

SELF_TEST_S = 30.0
"""For compiling a graph and encoding its golden probes: eight of ViT-L/14-336 took 17 s on two cores."""


@dataclass(frozen=True)
class User:
    """Who runs this: the number and the groups' numbers."""

    uid: int = field(default_factory=os.getuid)
    gids: frozenset[int] = field(default_factory=lambda: frozenset({os.getgid(), *os.getgroups()}))

    def may_use(self, device: Path) -> bool:
        """Whether the user may read and write a device file, by its owner, group and mode."""
        status = device.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid in self.gids else 0
        return self.uid == 0 or (status.st_mode >> shift) & 0o6 == 0o6


@dataclass(frozen=True)
class Host:
    """A machine by its files below ``root``, its programs on the PATH and its Python; ``bundle`` is to run on it."""

    bundle: Path
    root: Path = FILE_SYSTEM
    python: Path = Path(sys.executable)
    user: User = field(default_factory=User)
    timeout_s: float = TIMEOUT_S
    self_test_s: float = SELF_TEST_S

    @cached_property
    def machine(self) -> Machine:
        """What it is."""
        return this_machine(self.root)

    @cached_property
    def meminfo(self) -> dict[str, int]:
        """Its memory, in bytes by name."""
        return meminfo(self.root)

    @property
    def is_jetson(self) -> bool:
        """Whether it is a Jetson."""
        return is_jetson(self.root)

    @property
    def has_gpu(self) -> bool:
        """Whether NVIDIA's driver is there."""
        return has_nvidia_driver(self.root)

    def gpu_trouble(self, what: str, remedy: str) -> Finding:
        """Return a finding about the GPU's software: a Jetson is for it, other machines do without."""
        if self.is_jetson:
            return Finding(Status.FAIL, what, remedy)
        return Finding(Status.WARN, f"{what}; the CPU runs the graph", remedy)

    def ask(self, *command: str) -> Outcome:
        """Run a program. Raises MissingToolError or TemporaryError, as ``system.programs.ask`` does."""
        return ask(command, self.timeout_s)

    def probe(self, *arguments: str) -> dict[str, Any]:
        """Return what ``doctor.child`` tells of a library, in a process of its own: a broken one may abort or hang.

        Raises EngineError with its last words where it fails, TemporaryError where it does not answer in time.
        """
        command = [str(self.python), "-m", "pigeon_edge.doctor.child", *arguments]
        return _answer(ask(command, self.timeout_s))

    def self_test(self, engine: str) -> dict[str, Any]:
        """Return how near an engine comes to the bundle's golden probes; raises as ``probe`` does."""
        command = [str(self.python), "-m", "pigeon_edge.doctor.child", "self_test", str(self.bundle), engine]
        return _answer(ask(command, self.self_test_s))


def _answer(outcome: Outcome) -> dict[str, Any]:
    if outcome.code:
        raise EngineError(outcome.ending)
    answer: dict[str, Any] = json.loads(outcome.output.splitlines()[-1])
    return answer


def group_of(device: Path) -> str:
    """Return the name of the group that a device file belongs to."""
    try:
        return grp.getgrgid(device.stat().st_gid).gr_name
    except KeyError:
        return str(device.stat().st_gid)
