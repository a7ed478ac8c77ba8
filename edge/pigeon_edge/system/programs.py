"""Asking other programs, none of which may hold this one up."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from pigeon_edge.errors import MissingToolError, TemporaryError, UntriedError


@dataclass(frozen=True)
class Outcome:
    """How a program ended: exit code (negative: the signal that killed it) and what it printed."""

    code: int
    output: str
    talk: str

    @property
    def ending(self) -> str:
        """The end in words: the signal, or the last line of its talk, or the exit code."""
        if self.code < 0:
            return f"killed by {signal.Signals(-self.code).name}"
        lines = self.talk.strip().splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"


def ask(command: Sequence[str], timeout_s: float) -> Outcome:
    """Run a program to its end, with no input.

    Raises MissingToolError where it is not installed; UntriedError where it cannot be started; TemporaryError where
    it takes longer than ``timeout_s``: it and all that it started are then killed.
    """
    if shutil.which(command[0]) is None:
        raise MissingToolError(f"{command[0]} is not installed")
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise UntriedError(f"{command[0]} cannot be started ({error.strerror})") from error
    with process:
        return _outcome(process, command[0], timeout_s)


def _outcome(process: subprocess.Popen[str], name: str, timeout_s: float) -> Outcome:
    try:
        output, talk = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise TemporaryError(f"{name} did not answer within {timeout_s:g} s") from error
    finally:
        _end(process)
    return Outcome(process.returncode, output, talk)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill what is left of a program, and of what it started: its group outlives it."""
    with contextlib.suppress(ProcessLookupError):  # nothing is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
