"""Where a device keeps its engines: one folder for each graph, in it one for each key.

    GRAPH/KEY/engine.plan     what TensorRT built; GRAPH and KEY are 16 digits of the graph's SHA-256 and the key's
    GRAPH/KEY/engine.json     schema "pigeon-edge/engine@1", key, precision, verdict, sha256 of the plan, built_at

A plan runs code on the GPU: the cache belongs to the user who builds, and is read from no bundle.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

from pigeon_edge.encoders.tensorrt.key import EngineKey
from pigeon_edge.errors import EngineError, UnfitEngineError, UsageError
from pigeon_edge.files import replacing_folder, write_json
from pigeon_edge.settings import read_settings
from pigeon_edge.system.cache_folder import cache_folder

SCHEMA = "pigeon-edge/engine@1"
PLAN, RECORD = "engine.plan", "engine.json"
REBUILD = "pigeon-edge export engine --bundle BUNDLE"


class EnginePrecision(str, Enum):
    """What an engine's matrix products are in: INT8 with FP16 between them, or FP16 throughout."""

    INT8 = "int8"
    FP16 = "fp16"


@dataclass(frozen=True)
class Latency:
    """Of one call with a batch: the median, and the interquartile range as its noise, both in milliseconds."""

    median_ms: float
    noise_ms: float


@dataclass(frozen=True)
class Trial:
    """How an engine did: its latency by batch size, and the least cosine to the bundle's golden outputs.

    The cosine is NaN where the engine gave NaN; JSON has null for it.
    """

    latency: Mapping[int, Latency]
    cosine: float

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON values."""
        return {"latency": {str(batch): vars(latency) for batch, latency in self.latency.items()},
                "cosine": None if math.isnan(self.cosine) else self.cosine}  # fmt: skip

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Trial:
        """Read what ``to_json`` wrote. Raises UsageError, TypeError, ValueError or KeyError where it is malformed."""
        latency = {int(batch): read_settings(Latency, entry) for batch, entry in document["latency"].items()}
        return cls(latency, math.nan if document["cosine"] is None else float(document["cosine"]))


@dataclass(frozen=True)
class Verdict:
    """Which precision runs on this machine, why, and how each that was built did."""

    precision: EnginePrecision
    reason: str
    trials: Mapping[EnginePrecision, Trial]

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        trials = {precision.value: trial.to_json() for precision, trial in self.trials.items()}
        return {"precision": self.precision.value, "reason": self.reason, "trials": trials}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Verdict:
        """Read what ``to_json`` wrote. Raises UsageError, TypeError, ValueError or KeyError where it is malformed."""
        trials = {EnginePrecision(name): Trial.from_json(entry) for name, entry in document["trials"].items()}
        return cls(EnginePrecision(document["precision"]), str(document["reason"]), trials)


@dataclass(frozen=True)
class BuiltEngine:
    """An engine of the cache: its plan, what it is valid for, how it was chosen; ``built_at`` is UTC, ISO 8601."""

    plan: Path
    key: EngineKey
    verdict: Verdict
    sha256: str
    built_at: str

    @property
    def precision(self) -> EnginePrecision:
        """What it computes in."""
        return self.verdict.precision

    def read(self) -> bytes:
        """Return the plan. Raises UnfitEngineError where it is not what was stored."""
        try:
            plan = self.plan.read_bytes()
        except OSError as error:
            raise UnfitEngineError(
                f"{self.plan}: expected an engine, {error.strerror}; build it again: {REBUILD}"
            ) from error
        if hashlib.sha256(plan).hexdigest() != self.sha256:
            raise UnfitEngineError(f"{self.plan}: altered since it was built; build it again: {REBUILD}")
        return plan

    def to_json(self) -> dict[str, Any]:
        """Return the record that stands beside the plan."""
        return {"schema": SCHEMA, "key": self.key.to_json(), "verdict": self.verdict.to_json(),
                "sha256": self.sha256, "built_at": self.built_at}  # fmt: skip


class EngineCache:
    """The engines in a folder, which need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: EngineKey) -> BuiltEngine:
        """Return the engine of exactly this key.

        Raises EngineError that says what was built for which machine instead, and the command that builds one, and
        UnfitEngineError where its record is malformed.
        """
        if self.has(key):
            return _read(self.folder_of(key))
        near = [engine for engine in self._of_graph(key) if engine.key != key]
        if not near:
            raise EngineError(f"no engine of graph {key.graph_sha256[:12]} in {self.folder}; build one: {REBUILD}")
        latest = max(near, key=lambda engine: engine.built_at)
        told = "; ".join(latest.key.differences(key))
        raise EngineError(
            f"the engine of {latest.built_at} in {self.folder} does not serve: {told}; build one: {REBUILD}"
        )

    def has(self, key: EngineKey) -> bool:
        """Return whether there is an engine of exactly this key, sound or not."""
        return (self.folder_of(key) / RECORD).is_file()

    def holds(self, graph_sha256: str) -> bool:
        """Return whether there is any engine of a graph, for this machine or another."""
        return any(self._graph_folder(graph_sha256).glob(f"*/{RECORD}"))

    def store(self, key: EngineKey, plan: bytes, verdict: Verdict) -> BuiltEngine:
        """Write an engine by rename: until it is whole, the old one of this key stays."""
        folder = self.folder_of(key)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        engine = BuiltEngine(folder / PLAN, key, verdict, hashlib.sha256(plan).hexdigest(), now)
        with replacing_folder(folder, RECORD) as scratch:
            scratch.mkdir(mode=0o700)
            (scratch / PLAN).write_bytes(plan)
            write_json(scratch / RECORD, engine.to_json())
        return engine

    def folder_of(self, key: EngineKey) -> Path:
        """Return the folder of the engine of a key, whether or not it exists."""
        return self._graph_folder(key.graph_sha256) / key.digest[:16]

    def _graph_folder(self, graph_sha256: str) -> Path:
        return self.folder / graph_sha256[:16]

    def _of_graph(self, key: EngineKey) -> list[BuiltEngine]:
        return [_read(record.parent) for record in sorted(self._graph_folder(key.graph_sha256).glob(f"*/{RECORD}"))]


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of engines in ``cache_folder``."""
    return cache_folder(environment) / "engines"


def _read(folder: Path) -> BuiltEngine:
    path = folder / RECORD
    try:
        document = json.loads(path.read_bytes())
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']!r}, expected {SCHEMA!r}")
        key, verdict = EngineKey.from_json(document["key"]), Verdict.from_json(document["verdict"])
        return BuiltEngine(folder / PLAN, key, verdict, str(document["sha256"]), str(document["built_at"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise UnfitEngineError(
            f"{path}: malformed ({error!r}); remove {folder} and build it again: {REBUILD}"
        ) from error
