"""Every error that the project raises on purpose, with the exit code of the command line.

    PigeonError              1   unexpected
    ├── UsageError           2   a command, option or setting that cannot be meant
    ├── PartialFailureError  3   finished, but some inputs failed
    ├── InputError           4   an input is missing or cannot be read
    ├── BundleError          5   a bundle is invalid or not trusted
    ├── EngineError          6   an inference engine cannot run this graph here
    │   └── UnfitEngineError 6   an engine that was built is damaged, or none of this machine: it must be built again
    ├── GateError            7   a result failed its accuracy gate
    ├── MissingToolError     8   something outside the project is not installed
    ├── NotWorthItError      9   a quantized engine was demanded that is no faster, or not accurate, on this machine
    └── TemporaryError      75   worth trying again later
        └── UntriedError    75   a program could not be started, or was killed from outside

A message is one line: what was expected, what came, what to do.
"""

from __future__ import annotations


class PigeonError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class UsageError(PigeonError):
    """Raised when a command, option or setting cannot be meant."""

    exit_code = 2


class PartialFailureError(PigeonError):
    """Raised at the end of a run that finished although some inputs failed."""

    exit_code = 3


class InputError(PigeonError):
    """Raised when an input is missing or cannot be read."""

    exit_code = 4


class BundleError(PigeonError):
    """Raised when a bundle is invalid or not trusted."""

    exit_code = 5


class EngineError(PigeonError):
    """Raised when an inference engine cannot run the graph on this machine."""

    exit_code = 6


class UnfitEngineError(EngineError):
    """Raised when an engine that was built is damaged, or none of this machine: it must be built again."""


class GateError(PigeonError):
    """Raised when a result fails its accuracy gate."""

    exit_code = 7


class MissingToolError(PigeonError):
    """Raised when something outside the project is not installed."""

    exit_code = 8


class NotWorthItError(PigeonError):
    """Raised when a quantized engine is demanded where it is no faster, or not accurate enough."""

    exit_code = 9


class TemporaryError(PigeonError):
    """Raised when the same call is worth trying again later."""

    exit_code = 75


class UntriedError(TemporaryError):
    """Raised when a program could not be started, or was killed from outside: nothing is known of what it was for."""
