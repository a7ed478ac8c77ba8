"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pigeon_edge.errors import EngineError, MissingToolError, PigeonError, UntriedError


class Status(str, Enum):
    """OK also where something is missing that this machine does not need; WARN where locating works, but less well."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the page: what was found, and what to do about it, which is empty where all is well.

    ``error`` is what a finding that fails is to the caller: its exit code is the program's.
    """

    status: Status
    what: str
    remedy: str = ""
    error: type[PigeonError] = EngineError


UNTRIED = "see that memory and processes are free (dmesg tells who killed it), and run pigeon-edge doctor again"


def ok(what: str) -> Finding:
    """Return a finding that needs nothing done."""
    return Finding(Status.OK, what)


def warn(what: str, remedy: str) -> Finding:
    """Return a finding with which locating still works."""
    return Finding(Status.WARN, what, remedy)


def fail(what: str, remedy: str, error: type[PigeonError] = EngineError) -> Finding:
    """Return a finding with which something that this machine is for does not work."""
    return Finding(Status.FAIL, what, remedy, error)


def broken(error: PigeonError, remedy: str) -> Finding:
    """Return the finding that trying something has failed: it is not installed, it does not run, or nobody knows.

    ``remedy`` is for what is not installed or does not run; where it could not be tried, no cure is known.
    """
    if isinstance(error, UntriedError):
        return fail(str(error), UNTRIED, UntriedError)
    return fail(str(error), remedy, MissingToolError if isinstance(error, MissingToolError) else EngineError)
