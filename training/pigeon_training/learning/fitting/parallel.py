"""One training by several processes: who takes part, and what they tell each other.

``torchrun`` starts the processes and ends them all where one fails. Each computes its part of every batch; gradients
are added up, so that all make the same step, the one that a process alone would make.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from pigeon_edge.errors import PigeonError

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others before it gives up."""

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """``count`` processes train together; this is the one of number ``rank``, on ``device``."""

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes and talks."""
        return self.rank == 0

    def add_gradients(self, weights: Sequence[torch.Tensor]) -> None:
        """Replace each weight's gradient by the sum of all processes'."""
        if self.count > 1:
            with _others_alive():
                for weight in weights:
                    distributed.all_reduce(weight.grad)

    def gather(self, mine: T) -> list[T]:
        """Return what every process gives, in the order of their ranks."""
        if self.count == 1:
            return [mine]
        everybodys: list[T] = [mine] * self.count
        with _others_alive():
            distributed.all_gather_object(everybodys, mine)
        return everybodys


@contextmanager
def started_processes() -> Iterator[Processes]:
    """Yield the processes that ``torchrun`` started, or this one alone; a GPU each where there are any.

    Raises PigeonError where another process ends or does not answer.
    """
    rank, count = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = _device(int(os.environ.get("LOCAL_RANK", "0")))
    if count == 1:
        yield Processes(device=device)
        return
    with _others_alive():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    finished = False
    try:
        yield Processes(rank, count, device)
        with _others_alive():
            distributed.barrier()
        finished = True
    finally:
        # Gloo's threads abort a process that fails without leaving; NCCL may wait for the others while one leaves.
        if finished or device.type == "cpu":
            distributed.destroy_process_group()


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise PigeonError(
            f"expected a GPU a process, found {torch.cuda.device_count()} and a process {local_rank + 1}; "
            "start as many processes as there are GPUs"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


@contextmanager
def _others_alive() -> Iterator[None]:
    """Map the errors of torch.distributed: every one of them means that the others were not there."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise PigeonError(
            f"another process of this training ended or does not answer, {reason}; see its own error"
        ) from error
