"""``pigeon-edge bench``: how quick a bundle is on this machine, sustained."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pigeon_edge.bench.duration import seconds_of
from pigeon_edge.bench.engine import engine_of
from pigeon_edge.bench.measure import Bench
from pigeon_edge.bench.photographs import Photographs, read_photographs
from pigeon_edge.bench.record import Record
from pigeon_edge.bench.report import Setting, load_per_core, report
from pigeon_edge.bench.table import page
from pigeon_edge.bench.watch import Watch
from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.cli.console import progress, say
from pigeon_edge.cli.group import examples
from pigeon_edge.cli.options import TOY_PLANET, BundleOption, EngineOption, MaxPixelsOption, allow_pixels, locator_of
from pigeon_edge.encoders import Engine
from pigeon_edge.files import check_files, to_json, write_json
from pigeon_edge.images.photograph import DEFAULT_MAX_PIXELS
from pigeon_edge.locator import Locator
from pigeon_edge.system.machine import power_mode, this_machine
from pigeon_edge.system.memory import process_memory

SAMPLES = TOY_PLANET.parent / "samples"

WARM_UP_S = 3.0
"""The first calls compile and allocate, and clocks need a moment to rise."""

SUSTAINED_S = 1800.0
"""After half an hour a board without a fan is as warm as it gets; what is shorter is a burst."""

EXAMPLES = examples(
    "pigeon-edge bench --duration 30m --images ~/Pictures --out bench.json",
    "pigeon-edge bench --bundle europe.pigeon --engine onnxruntime --json | jq .latency_ms",
)


def bench(
    duration: Annotated[str, typer.Option("--duration", help="How long to measure: 90, 90s, 30m, 2h.")] = "30s",
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", help="Photographs, or folders of them; may be repeated. Default: the small samples."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report as JSON to this file too.")] = None,
    bundle: BundleOption = None,
    engine: EngineOption = Engine.AUTO,
    max_pixels: MaxPixelsOption = DEFAULT_MAX_PIXELS,
) -> None:
    """Measure latency, throughput, memory and temperature while photographs are located over and over.

    A figure to publish wants --duration 30m: by then a warm device has slowed down, and the drift tells by how much.
    Interrupted, the report is of what was measured so far.
    """
    planned_s = seconds_of(duration)
    check_files([out])
    with locator_of(bundle, engine) as locator:
        photographs = read_photographs(images or [SAMPLES], locator.preprocess, allow_pixels(max_pixels))
        if photographs.left_out:
            say(f"pigeon-edge: {len(photographs.left_out)} left out, such as {photographs.left_out[0]}")
        runs = engine_of(locator.encoder, open_bundle(bundle or TOY_PLANET))
        document, stopped = _measured(locator, runs, photographs, planned_s)
    typer.echo(to_json(document) if json else page(document), nl=False)
    if out:
        write_json(out, document)
    if planned_s < SUSTAINED_S:
        say("pigeon-edge: a burst, not a sustained figure; publish one of --duration 30m")
    if stopped:
        raise stopped


def _measured(
    locator: Locator, engine: Mapping[str, str | None], photographs: Photographs, planned_s: float
) -> tuple[dict[str, Any], SystemExit | None]:
    """Warm up and measure; return the report, and the exit that was asked for meanwhile."""
    load = load_per_core()
    measuring = Bench(locator, photographs, time.perf_counter)
    _drain(measuring.run(Record(WARM_UP_S)))
    setting = Setting(locator.label, engine, this_machine(), power_mode(), load, WARM_UP_S, process_memory())
    record, watch = Record(planned_s), Watch()
    stopped = _watched(progress(measuring.run(record), int(planned_s), "seconds"), watch)
    if stopped and not record.measured_s:
        raise stopped
    return report(setting, photographs, record, watch, process_memory(), interrupted=stopped is not None), stopped


def _watched(seconds: Iterable[None], watch: Watch) -> SystemExit | None:
    """Look at the sensors every second of a run. An interrupted run keeps what it measured: the exit is returned."""
    watch.look()
    try:
        for _ in seconds:
            watch.look()
    except SystemExit as stop:
        return stop
    return None


def _drain(seconds: Iterable[None]) -> None:
    for _ in seconds:
        pass
