"""Builds in a process of their own: its memory goes back whole, and its death is a line and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import IO, Any

from pigeon_edge.errors import EngineError, GateError, InputError, MissingToolError, PigeonError, UsageError
from pigeon_export.engine.child import BuildRequest
from pigeon_export.engine.progress import Report

COMMAND = (sys.executable, "-m", "pigeon_export.engine.child")

_KINDS = {kind.exit_code: kind for kind in (EngineError, GateError, InputError, MissingToolError, UsageError)}


def build(request: BuildRequest, report: Report, command: Sequence[str] = COMMAND) -> None:
    """Build an engine: ``request.plan`` is there afterwards, or as it was before.

    Raises what the build raises, and EngineError where its process dies.
    """
    with tempfile.TemporaryFile("w+") as stdin, tempfile.TemporaryFile("w+", errors="replace") as stderr:
        json.dump(request.to_json(), stdin)
        stdin.seek(0)
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, text=True)
        try:
            failure = _listen(process.stdout or (), report)
            code = process.wait()
        finally:
            process.kill()  # where this process is interrupted; nothing where it has ended
            process.communicate()
        if failure:
            raise failure
        if code:
            raise EngineError(_how_it_died(request, code, stderr))


def _listen(lines: Iterable[str], report: Report) -> PigeonError | None:
    """Pass progress on; return the error that the process tells, None where it tells none."""
    failure = None
    for line in lines:
        told = _message(line)
        if "error" in told:
            failure = _KINDS.get(told["exit_code"], EngineError)(told["error"])
        elif "fraction" in told:
            report(told["fraction"], told["phase"])
    return failure


def _message(line: str) -> dict[str, Any]:
    """Return a line of the protocol, nothing for what a library may have printed."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _how_it_died(request: BuildRequest, code: int, stderr: IO[str]) -> str:
    what = f"building {request.graph.name} in {request.precision.value}"
    if code == -signal.SIGKILL:
        return f"{what} was killed, most likely for want of memory; stop other programs or add swap, and try again"
    if code < 0:
        return f"{what} died of {signal.Signals(-code).name} in TensorRT; try again with --log FILE, and report its end"
    stderr.seek(0)
    lines = stderr.read().strip().splitlines()
    return f"{what} ended with code {code}: {lines[-1] if lines else 'it gives no reason'}"
