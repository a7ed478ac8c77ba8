"""``pigeon-edge export engine``: what the user says, and what the user is told."""

from __future__ import annotations

import mmap
import time
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pigeon_edge.bundle.format import GRAPH, TWIN, Bundle, open_bundle
from pigeon_edge.cli.console import fraction_bar, say
from pigeon_edge.cli.group import examples
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.encoders.tensorrt.api import Flavour, installed_flavour
from pigeon_edge.encoders.tensorrt.cache import BuiltEngine, EngineCache, EnginePrecision, default_folder
from pigeon_edge.errors import EngineError, UsageError
from pigeon_edge.files import check_files, sha256_of, to_json

if TYPE_CHECKING:  # they read graphs, which --help does not
    from pigeon_edge.encoders.tensorrt.gpu import Gpu
    from pigeon_export.engine.build_engine import SelfTest
    from pigeon_export.engine.child import BuildRequest

EXAMPLES = examples(
    "pigeon-edge export engine --bundle europe.pigeon",
    "pigeon-edge export engine --bundle europe.pigeon --precision int8 --json",
    "pigeon-edge export engine encoder.int8.onnx --target 8.6 --precision int8 --out europe.plan",
)


class Demand(str, Enum):
    """The precision that the user wants: the better one by measurement, or one of the two."""

    AUTO = "auto"
    INT8 = "int8"
    FP16 = "fp16"


def engine(
    graph: Annotated[
        Path | None, typer.Argument(metavar="[GRAPH.onnx]", help="An encoder graph, with --out; default: a bundle's.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", envvar="PIGEON_EDGE_BUNDLE", help="The bundle to build for; default: the toy planet."),
    ] = None,
    precision: Annotated[
        Demand, typer.Option("--precision", help="auto: int8 if it is faster and as good, else fp16.")
    ] = Demand.AUTO,
    flavour: Annotated[
        Flavour | None, typer.Option("--flavour", help="Default: the one installed; with --target, tensorrt-rtx.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="CC", help="Build for this compute capability, such as 8.6; needs no GPU."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the plan here, neither timed nor tested, and not to the cache.")
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", help="Write here what TensorRT says of the builds.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the engine's record as JSON.")] = False,
) -> None:
    """Build a TensorRT engine for the GPU of this machine, as INT8 and as FP16, and keep the better one.

    Both are timed and held against the bundle's golden outputs; the verdict is printed and kept with the engine, where
    `locate`, `geotag` and `run` find it. A build needs minutes, and happens in a process of its own.
    """
    if out is None:
        if graph or target:
            raise UsageError("a graph, or a --target, has nothing to be timed and tested with: name a file with --out")
        if flavour not in (None, installed_flavour()):
            raise UsageError(f"this machine runs {installed_flavour().value} engines; others only with --out")
        check_files([log])
        _build_here(_bundle(bundle), precision, log, json)
    else:
        if precision is Demand.AUTO:
            raise UsageError("with --out nothing is timed that auto could choose by: --precision int8 or fp16")
        if graph and bundle:
            say(f"pigeon-edge: building from {graph}, and not from the bundle")
        check_files([out, log], [graph])
        source = graph or _source(_bundle(bundle), EnginePrecision(precision.value))
        chosen = flavour or (Flavour.RTX if target else installed_flavour())
        _build_untested(_request(source, EnginePrecision(precision.value), chosen, out, log, target=target), json)


def _build_here(bundle: Bundle, demand: Demand, log: Path | None, json: bool) -> None:
    from pigeon_edge.encoders.tensorrt.api import load_tensorrt
    from pigeon_edge.encoders.tensorrt.encoder import TensorRtEncoder
    from pigeon_edge.encoders.tensorrt.key import EngineKey
    from pigeon_edge.system.machine import l4t_branch
    from pigeon_export.engine.build_engine import Workshop, make_engine, standing_engine

    gpu = _gpu()
    api = load_tensorrt(installed_flavour())
    key = EngineKey.of(bundle, api, gpu, l4t_branch())
    cache, demanded = EngineCache(default_folder()), None if demand is Demand.AUTO else EnginePrecision(demand.value)
    timing = cache.folder_of(key).with_suffix(".timing")

    def build(precision: EnginePrecision, plan: Path) -> None:
        _build(_request(_source(bundle, precision), precision, api.flavour, plan, log, timing))

    workshop = Workshop(build, lambda read: TensorRtEncoder(api, read), say)
    test = _self_test(bundle)
    built = standing_engine(key, cache, workshop, test, demanded)
    if built:
        say(f"pigeon-edge: built on {built.built_at}; remove {built.plan.parent} to build it anew")
    else:
        _start(log)
        built = make_engine(key, cache, workshop, test, demanded)
    typer.echo(to_json(built.to_json()).rstrip() if json else table(built))


def _gpu() -> Gpu:
    """Return the first GPU. Raises MissingToolError without pycuda, EngineError without a GPU."""
    from pigeon_edge.encoders.tensorrt import cuda

    try:
        return cuda.gpu()
    except EngineError as error:
        raise EngineError(f"{error}, or compile for a GPU elsewhere: --target CC --out FILE") from error


def _self_test(bundle: Bundle) -> SelfTest:
    from pigeon_edge.encoders.golden import GOLDEN, LEAST_COSINE, least_cosine, read_golden
    from pigeon_export.engine.build_engine import SelfTest

    golden = read_golden(bundle.file(GOLDEN))
    return SelfTest(golden.pixels, partial(least_cosine, golden=golden), LEAST_COSINE)


def _start(log: Path | None) -> None:
    """Empty the log, to which each build then adds."""
    if log:
        log.write_text("", encoding="utf-8")


def _build_untested(request: BuildRequest, json: bool) -> None:
    _start(request.log)
    _build(request)
    target, plan = request.settings.target, request.plan
    whom = f"compute capability {target}" if target else "this machine"
    told = f"{plan.stat().st_size / 1e6:.1f} MB, {request.precision.value} for {whom}"
    say(f"pigeon-edge: wrote {plan}, {told}; it was neither timed nor tested")
    if json:
        record = {"plan": str(plan), "precision": request.precision.value, "target": target, "sha256": sha256_of(plan)}
        typer.echo(to_json({**record, "tested": False}), nl=False)


def _request(
    graph: Path,
    precision: EnginePrecision,
    flavour: Flavour,
    plan: Path,
    log: Path | None,
    timing_cache: Path | None = None,
    target: str | None = None,
) -> BuildRequest:
    from pigeon_edge.encoders.tensorrt.key import EngineOptions
    from pigeon_edge.errors import InputError
    from pigeon_edge.system.memory import available_bytes, free_contiguous_bytes
    from pigeon_export.engine.builder import BuildSettings
    from pigeon_export.engine.child import BuildRequest
    from pigeon_export.engine.limits import memory_limits

    if not graph.is_file():
        raise InputError(f"{graph}: expected an ONNX graph, found no such file; name one that exists")
    limits = memory_limits(available_bytes(), _largest_form_bytes(graph, precision), free_contiguous_bytes())
    return BuildRequest(
        flavour, graph, precision, plan, BuildSettings(EngineOptions(), limits, timing_cache, target), log
    )


def _largest_form_bytes(graph: Path, precision: EnginePrecision) -> int:
    """Return the size of a graph on its way to an engine: int8 weights become float32 on their way to fp16."""
    grows = precision is EnginePrecision.FP16 and _is_quantized(graph)
    return graph.stat().st_size * (4 if grows else 1)


def _is_quantized(graph: Path) -> bool:
    """Tell whether a graph has a dequantizing node, by the name of that in its file, which is not read whole."""
    if not graph.stat().st_size:
        return False
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"DequantizeLinear") >= 0


def _build(request: BuildRequest) -> None:
    from pigeon_export.engine.process import build

    start = time.monotonic()
    with fraction_bar(f"building {request.precision.value}") as report:
        build(request, report)
    say(f"pigeon-edge: built {request.graph.name} as {request.precision.value} in {time.monotonic() - start:.0f} s")


def table(built: BuiltEngine) -> str:
    """Return the verdict in words, and what it rests on."""
    batches = built.key.options.batches
    head = ["precision", "cosine", *(f"batch {batch} ms" for batch in batches)]
    rows = [
        [precision.value, f"{trial.cosine:.4f}", *(f"{trial.latency[batch].median_ms:.2f}" for batch in batches)]
        for precision, trial in built.verdict.trials.items()
    ]
    lines = ["  ".join(f"{cell:>12}" for cell in row) for row in (head, *rows)]
    return "\n".join([*lines, f"{built.precision.value} runs on this machine: {built.verdict.reason}"])


def _source(bundle: Bundle, precision: EnginePrecision) -> Path:
    """Return the graph to build from: the full-precision twin for fp16 where there is one, else the quantized graph."""
    return bundle.file(TWIN if precision is EnginePrecision.FP16 and TWIN in bundle.files else GRAPH)


def _bundle(path: Path | None) -> Bundle:
    if path is None:
        say("pigeon-edge: building for the toy planet; name another bundle with --bundle")
    return open_bundle(path or TOY_PLANET)
