"""A graph to an engine, with the calls that TensorRT 10.3 to 11.4 and TensorRT-RTX share.

Strongly typed: no precision flag is set, the graph's own types and Q/DQ say what is computed in what. A batch size is
an optimisation profile of its own, whose least, best and largest shape are one, so that each gets kernels for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pigeon_edge.encoders.protocol import INPUT
from pigeon_edge.encoders.tensorrt.api import TensorRt
from pigeon_edge.encoders.tensorrt.key import EngineOptions
from pigeon_edge.errors import EngineError
from pigeon_edge.files import replacing
from pigeon_export.engine.limits import MemoryLimits
from pigeon_export.engine.progress import Report, Steps


@dataclass(frozen=True)
class BuildSettings:
    """How to build: for which batches, within which memory, and for which GPU.

    ``timing_cache`` is a file that shortens the next build of the same key; ``target`` is a compute capability, such
    as "8.6", where the engine is not for the GPU at hand.
    """

    options: EngineOptions
    limits: MemoryLimits
    timing_cache: Path | None = None
    target: str | None = None


@dataclass
class Log:
    """What TensorRT says: every line goes to ``line``, errors are kept."""

    line: Callable[[str], None]
    errors: list[str] = field(default_factory=list)

    def add(self, is_error: bool, text: str) -> None:
        """Take one message."""
        self.line(text)
        if is_error:
            self.errors.append(text)

    @property
    def reason(self) -> str:
        """The last error, on one line."""
        return " ".join(self.errors[-1].split()) if self.errors else "it gives no reason"


def build_plan(api: TensorRt, graph: bytes, settings: BuildSettings, log: Log, report: Report) -> memoryview:
    """Return the serialised engine of a serialised graph. Raises EngineError with TensorRT's own reason."""
    logger = _logger(api, log)
    builder = _builder(api, logger, log)
    network = builder.create_network(api.strongly_typed())
    parser = api.module.OnnxParser(network, logger)  # holds the weights until the engine is built
    if not parser.parse(graph):
        raise EngineError(
            f"{api.label} cannot read the graph: {_parse_error(parser)}; `export lint` tells what it breaks"
        )
    config = builder.create_builder_config()
    monitor = _configure(api, config, settings, report)
    _add_profiles(builder, config, network, settings.options)
    cache = _timing_cache(config, settings.timing_cache) if api.times_tactics and settings.timing_cache else None
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"{api.label} cannot build the engine: {log.reason}")
    del monitor  # TensorRT keeps no reference to it
    if cache is not None and settings.timing_cache:
        _write(settings.timing_cache, config.get_timing_cache().serialize())
    return memoryview(plan)


def _builder(api: TensorRt, logger: Any, log: Log) -> Any:
    try:
        builder = api.module.Builder(logger)
    except Exception as error:  # the bindings raise what pybind11 raises where the library returns nothing
        raise EngineError(f"{api.label} finds no GPU to build for ({log.reason}); run this on the Jetson") from error
    return builder


def _configure(api: TensorRt, config: Any, settings: BuildSettings, report: Report) -> Any:
    pools, limits = api.module.MemoryPoolType, settings.limits
    config.set_memory_pool_limit(pools.WORKSPACE, limits.workspace_bytes)
    config.set_memory_pool_limit(pools.TACTIC_DRAM, limits.tactic_bytes)
    config.builder_optimization_level = settings.options.optimisation_level
    config.profiling_verbosity = api.module.ProfilingVerbosity.DETAILED  # so that the engine tells what runs in INT8
    if settings.target:
        api.aim(config, settings.target)
    monitor = _monitor(api, Steps(report))
    config.progress_monitor = monitor
    return monitor


def _add_profiles(builder: Any, config: Any, network: Any, options: EngineOptions) -> None:
    height, width, channels = tuple(network.get_input(0).shape)[1:]
    for batch in options.batches:
        shape = (batch, height, width, channels)
        profile = builder.create_optimization_profile()
        profile.set_shape(INPUT, shape, shape, shape)
        config.add_optimization_profile(profile)


def _timing_cache(config: Any, path: Path) -> Any:
    """Attach what an earlier build measured; where it is unreadable or of another TensorRT, attach an empty one."""
    for content in (path.read_bytes() if path.is_file() else b"", b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    return None


def _write(path: Path, content: Any) -> None:
    with replacing(path) as scratch:
        scratch.write_bytes(content)


def _parse_error(parser: Any) -> str:
    if not parser.num_errors:
        return "it gives no reason"
    error = parser.get_error(0)
    return f"{' '.join(str(error.desc()).split())} (node {error.node_name()})"


def _logger(api: TensorRt, log: Log) -> Any:
    class Logger(api.module.ILogger):  # type: ignore[name-defined]
        def __init__(self) -> None:
            api.module.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            log.add(int(severity) <= int(api.module.ILogger.ERROR), msg)

    return Logger()


def _monitor(api: TensorRt, steps: Steps) -> Any:
    class Monitor(api.module.IProgressMonitor):  # type: ignore[name-defined]
        def __init__(self) -> None:
            api.module.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            steps.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            steps.complete(phase_name, step)
            return True

        def phase_finish(self, phase_name: str) -> None:
            steps.finish(phase_name)

    return Monitor()
