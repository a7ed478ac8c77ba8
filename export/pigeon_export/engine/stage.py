"""Build both precisions, time them, test them, decide, and put the better one in the cache."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from pigeon_edge.encoders.protocol import Encoder
from pigeon_edge.engines.cache import BuiltEngine, EngineCache, EnginePrecision, Trial
from pigeon_edge.engines.key import EngineKey
from pigeon_edge.errors import EngineError, InputError
from pigeon_edge.preprocess import Pixels
from pigeon_export.engine.trial import try_engines
from pigeon_export.engine.verdict import decide


@dataclass(frozen=True)
class Workshop:
    """What building needs of the machine.

    ``build`` writes the plan of a precision, ``open_engine`` runs a plan, ``say`` takes a line for people, ``clock``
    tells seconds.
    """

    build: Callable[[EnginePrecision, Path], None]
    open_engine: Callable[[bytes], AbstractContextManager[Encoder]]
    say: Callable[[str], None]
    clock: Callable[[], float] = time.perf_counter


@dataclass(frozen=True)
class SelfTest:
    """The probes (P, S, S, 3) uint8, how near an engine is to their golden outputs, and how near it must be."""

    probes: Pixels
    cosine: Callable[[Encoder], float]
    least_cosine: float


def standing_engine(
    key: EngineKey, cache: EngineCache, workshop: Workshop, test: SelfTest, demanded: EnginePrecision | None = None
) -> BuiltEngine | None:
    """Return the engine of a key that is there already and still passes the self-test, None where one must be built.

    Where there is one that does not serve, that is said. One in another precision than demanded is none.
    """
    if not cache.has(key):
        return None
    try:
        built = cache.find(key)
        if demanded not in (None, built.precision):
            return None
        with workshop.open_engine(built.read()) as encoder:
            cosine = test.cosine(encoder)
    except EngineError as error:
        workshop.say(f"pigeon-edge: the engine that is there does not run ({error}); building it anew")
        return None
    if cosine >= test.least_cosine:
        return built
    workshop.say(f"pigeon-edge: the engine that is there fails the self-test (cosine {cosine:.4f}); building it anew")
    return None


def make_engine(
    key: EngineKey, cache: EngineCache, workshop: Workshop, test: SelfTest, demanded: EnginePrecision | None = None
) -> BuiltEngine:
    """Return the new engine of a key, which has taken the place of the old one.

    Raises EngineError, GateError or NotWorthItError; then the old one has stayed.
    """
    wanted = (demanded,) if demanded is EnginePrecision.FP16 else tuple(EnginePrecision)
    cache.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build.", dir=cache.folder) as scratch:
        plans = _build(wanted, Path(scratch), workshop, optional_int8=demanded is None)
        trials = _try(plans, workshop, test, key.options.batches)
        verdict = decide(trials, test.least_cosine, demanded)
        return cache.store(key, plans[verdict.precision].read_bytes(), verdict)


def _build(
    wanted: Sequence[EnginePrecision], folder: Path, workshop: Workshop, *, optional_int8: bool
) -> dict[EnginePrecision, Path]:
    """Return the plans by precision. Where INT8 is optional and cannot be built, that is said and FP16 goes on."""
    plans = {}
    for precision in wanted:
        plan = folder / f"{precision.value}.plan"
        try:
            workshop.build(precision, plan)
        except (EngineError, InputError) as error:
            if precision is EnginePrecision.FP16 or not optional_int8:
                raise
            workshop.say(f"pigeon-edge: {error}; going on with fp16 alone")
        else:
            plans[precision] = plan
    return plans


def _try(
    plans: dict[EnginePrecision, Path], workshop: Workshop, test: SelfTest, batches: Sequence[int]
) -> dict[EnginePrecision, Trial]:
    with ExitStack() as stack:
        encoders = {
            precision: stack.enter_context(workshop.open_engine(plan.read_bytes())) for precision, plan in plans.items()
        }
        return try_engines(encoders, test.probes, test.cosine, batches, workshop.clock)
