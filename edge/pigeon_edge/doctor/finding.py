"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    """OK also where something is missing that this machine does not need; WARN where locating works, but less well."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the page: what was found, and what to do about it, which is empty where all is well."""

    status: Status
    what: str
    remedy: str = ""


def ok(what: str) -> Finding:
    """Return a finding that needs nothing done."""
    return Finding(Status.OK, what)


def warn(what: str, remedy: str) -> Finding:
    """Return a finding with which locating still works."""
    return Finding(Status.WARN, what, remedy)


def fail(what: str, remedy: str) -> Finding:
    """Return a finding with which something that this machine is for does not work."""
    return Finding(Status.FAIL, what, remedy)
