"""Build both precisions, time them, test them, decide, and put the better one in the cache."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pigeon_edge.encoders.protocol import Encoder
from pigeon_edge.encoders.tensorrt.cache import BuiltEngine, EngineCache, EnginePrecision, Trial
from pigeon_edge.encoders.tensorrt.key import EngineKey
from pigeon_edge.errors import EngineError, InputError, UnfitEngineError, UsageError
from pigeon_edge.images.preprocess import Pixels
from pigeon_export.engine.trial import try_engines
from pigeon_export.engine.verdict import decide

Made = TypeVar("Made")


@dataclass(frozen=True)
class Workshop:
    """What building needs of the machine.

    ``build`` writes the plan of a precision, ``open_engine`` runs what a function reads, ``say`` takes a line for
    people, ``clock`` tells seconds.
    """

    build: Callable[[EnginePrecision, Path], None]
    open_engine: Callable[[Callable[[], bytes]], AbstractContextManager[Encoder]]
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
    """Return the cached engine of a key that still passes the self-test, or None if one must be built.

    An engine of another precision does not count. Without a demanded precision, one built before INT8 was tried does
    not count either. Says why an engine does not serve. Raises EngineError where that is not the engine's fault.
    """
    if not cache.has(key):
        return None
    try:
        built = cache.find(key)
        if not _answers(built, demanded):
            return None
        with workshop.open_engine(built.read) as encoder:
            cosine = test.cosine(encoder)
    except UnfitEngineError as error:
        workshop.say(f"pigeon-edge: the engine that is there does not run ({error}); building it anew")
        return None
    if cosine >= test.least_cosine:
        return built
    workshop.say(f"pigeon-edge: the engine that is there fails the self-test (cosine {cosine:.4f}); building it anew")
    return None


def _answers(built: BuiltEngine, demanded: EnginePrecision | None) -> bool:
    return built.precision is demanded if demanded else EnginePrecision.INT8 in built.verdict.trials


def make_engine(
    key: EngineKey, cache: EngineCache, workshop: Workshop, test: SelfTest, demanded: EnginePrecision | None = None
) -> BuiltEngine:
    """Return the new engine of a key, which has taken the place of the old one.

    INT8 that is not demanded, and cannot be built or opened, is left out. Raises EngineError, GateError,
    NotWorthItError, or UsageError where the cache cannot be written; then the old engine has stayed.
    """
    wanted = (EnginePrecision.FP16,) if demanded is EnginePrecision.FP16 else tuple(EnginePrecision)
    with _scratch_in(cache.folder) as folder:
        plans = {precision: folder / f"{precision.value}.plan" for precision in wanted}
        built = _each(wanted, lambda precision: workshop.build(precision, plans[precision]), workshop, demanded)
        trials = _try(key, {precision: plans[precision] for precision in built}, workshop, test, demanded)
        verdict = decide(trials, test.least_cosine, demanded)
        return cache.store(key, plans[verdict.precision].read_bytes(), verdict)


def _try(
    key: EngineKey,
    plans: Mapping[EnginePrecision, Path],
    workshop: Workshop,
    test: SelfTest,
    demanded: EnginePrecision | None,
) -> dict[EnginePrecision, Trial]:
    needed_first = sorted(plans, key=lambda precision: precision is EnginePrecision.INT8)
    with ExitStack() as stack:

        def opened(precision: EnginePrecision) -> Encoder:
            return stack.enter_context(workshop.open_engine(plans[precision].read_bytes))

        encoders = _each(needed_first, opened, workshop, demanded)
        return try_engines(encoders, test.probes, test.cosine, key.options.batches, workshop.clock)


def _each(
    precisions: Iterable[EnginePrecision],
    work: Callable[[EnginePrecision], Made],
    workshop: Workshop,
    demanded: EnginePrecision | None,
) -> dict[EnginePrecision, Made]:
    """Return what work makes of each precision. Where INT8 fails and is not demanded, that is said, and no more."""
    made = {}
    for precision in precisions:
        try:
            made[precision] = work(precision)
        except (EngineError, InputError) as error:
            if demanded or precision is EnginePrecision.FP16:
                raise
            workshop.say(f"pigeon-edge: {error}; going on with fp16 alone")
    return made


@contextmanager
def _scratch_in(folder: Path) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".build.", dir=folder)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be written ({error.strerror}); set PIGEON_EDGE_CACHE to a folder that can"
        ) from error
    with scratch as path:
        yield Path(path)
