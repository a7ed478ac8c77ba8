"""A build in a process of its own: ``python -m pigeon_export.engine.child``, a ``BuildRequest`` as JSON on stdin.

On stdout, lines of JSON: {"fraction": 0.3, "phase": "..."} as it goes, and {"error": "...", "exit_code": 6} where it
ends so. The plan appears by rename. The kernel is told to take this process first where memory runs out, and to end it
with the one that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from pigeon_edge.encoders.tensorrt.api import Flavour, load_tensorrt
from pigeon_edge.encoders.tensorrt.cache import EnginePrecision
from pigeon_edge.encoders.tensorrt.key import EngineOptions
from pigeon_edge.errors import PigeonError
from pigeon_edge.files import replacing
from pigeon_export.engine.builder import BuildSettings, Log, build_plan
from pigeon_export.engine.candidates import candidate
from pigeon_export.engine.limits import MemoryLimits

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl (prctl.h): the signal that this process gets when its parent dies."""

OOM_SCORE = Path("/proc/self/oom_score_adj")


@dataclass(frozen=True)
class BuildRequest:
    """What a build needs to know: a graph, the precision to bring it to, the plan to write, and a log to add to."""

    flavour: Flavour
    graph: Path
    precision: EnginePrecision
    plan: Path
    settings: BuildSettings
    log: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON values."""
        settings = asdict(self.settings)
        paths = {"graph": self.graph, "plan": self.plan, "log": self.log}
        settings["timing_cache"] = _text(settings["timing_cache"])
        return {
            "flavour": self.flavour.value,
            "precision": self.precision.value,
            "settings": settings,
            **{name: _text(path) for name, path in paths.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> BuildRequest:
        """Read what ``to_json`` wrote."""
        told = document["settings"]
        options = EngineOptions(tuple(told["options"]["batches"]), told["options"]["optimisation_level"])
        settings = BuildSettings(options, MemoryLimits(**told["limits"]), _path(told["timing_cache"]), told["target"])
        return cls(
            Flavour(document["flavour"]),
            Path(document["graph"]),
            EnginePrecision(document["precision"]),
            Path(document["plan"]),
            settings,
            _path(document["log"]),
        )


def run(request: BuildRequest, out: TextIO) -> None:
    """Build what is asked for, and tell progress. Raises EngineError, InputError or MissingToolError."""

    def report(fraction: float, phase: str) -> None:
        print(json.dumps({"fraction": fraction, "phase": phase}), file=out, flush=True)

    api = load_tensorrt(request.flavour)
    graph = candidate(request.graph, request.precision)
    with _lines_to(request.log) as file:
        _write_line(file, f"{request.graph.name} in {request.precision.value}, {api.label}")
        plan = build_plan(api, graph, request.settings, Log(lambda text: _write_line(file, text)), report)
    with replacing(request.plan) as scratch:
        scratch.write_bytes(plan)


def main() -> int:
    """Build what stdin asks for; return the exit code."""
    with contextlib.suppress(OSError):
        OOM_SCORE.write_text("1000", encoding="ascii")
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        run(BuildRequest.from_json(json.load(sys.stdin)), sys.stdout)
    except PigeonError as error:
        sys.stdout.write(json.dumps({"error": str(error), "exit_code": error.exit_code}) + "\n")
        return error.exit_code
    return 0


@contextlib.contextmanager
def _lines_to(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
    else:
        with path.open("a", buffering=1, encoding="utf-8") as file:  # line by line: TensorRT may take the process along
            yield file


def _write_line(file: TextIO | None, text: str) -> None:
    if file:
        file.write(text + "\n")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


if __name__ == "__main__":
    sys.exit(main())
