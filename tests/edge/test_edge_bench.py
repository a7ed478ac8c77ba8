from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
from tests.edge.machine_trees import laptop, orin_nano, write_tree

from pigeon_edge.bench.duration import seconds_of
from pigeon_edge.bench.latency import Latencies, drift
from pigeon_edge.bench.measure import Bench
from pigeon_edge.bench.photographs import read_photographs, spread
from pigeon_edge.bench.record import STAGES, Record
from pigeon_edge.bench.watch import Watch
from pigeon_edge.errors import InputError, UsageError


def _latencies(values):
    told = Latencies()
    for value in values:
        told.add(value)
    return told


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("0.5s", 0.5), (" 5 ", 5)]
)
def test_durations_as_people_type_them(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["0", "0s", "-5", "soon", "", "5 m", "1h30m", "1e3", "٣", "30M"])
def test_a_duration_that_cannot_be_meant_is_refused(text):
    with pytest.raises(UsageError, match="expected a time such as 90, 90s, 30m or 2h"):
        seconds_of(text)


def test_percentiles_are_those_of_a_sorted_list_to_half_a_percent():
    values = np.random.default_rng(5).lognormal(2.0, 0.6, 5000)
    told = _latencies(values)
    for percent in (1, 50, 95, 99):
        nearest_rank = np.sort(values)[int(np.ceil(len(values) * percent / 100)) - 1]
        assert told.percentile_ms(percent) == pytest.approx(nearest_rank, rel=0.0051)
    assert told.longest_ms == values.max()
    assert told.total_ms == pytest.approx(values.sum())
    assert told.count == 5000


def test_latencies_beyond_the_bins_still_count_and_none_have_no_percentile():
    told = _latencies([1e-9, 5.0, 1e9])
    assert (told.count, told.longest_ms) == (3, 1e9)
    assert told.percentile_ms(50) == pytest.approx(5.0, rel=0.0051)
    with pytest.raises(ValueError, match="no latencies"):
        Latencies().percentile_ms(50)


def test_joined_latencies_are_those_of_both():
    both = _latencies([1, 2]).joined(_latencies([30, 40, 50]))
    assert (both.count, both.total_ms, both.longest_ms) == (5, 123, 50)
    assert both.percentile_ms(50) == pytest.approx(30, rel=0.0051)


def test_a_device_that_slows_down_drifts():
    tenths = [_latencies([ms] * 9) for ms in (10, 10, 11, 12, 12.5)]
    moved = drift([*tenths, *(Latencies() for _ in range(5))])  # interrupted in the middle
    assert moved.change == pytest.approx(0.25, abs=0.012)
    assert moved.first_ms == pytest.approx(10, rel=0.0051)
    assert drift([tenths[0], Latencies()]) is None


def test_the_photographs_are_spread_over_those_found(photographs, locator):
    assert spread([*range(10)], 4) == (0, 2, 5, 7)
    assert spread([*range(3)], 64) == (0, 1, 2)
    read = read_photographs([photographs], locator.preprocess, 10**6)
    assert (len(read.contents), read.found, read.pixels.shape) == (3, 3, (3, 16, 16, 3))
    (photographs / "4.jpg").write_text("no photograph")
    (left_out,) = read_photographs([photographs], locator.preprocess, 10**6).left_out
    assert "4.jpg: expected an image" in left_out
    with pytest.raises(InputError, match=r"none of 1 can be read: .*4\.jpg: expected an image"):
        read_photographs([photographs / "4.jpg"], locator.preprocess, 10**6)


def test_a_run_measures_stages_and_batches_for_as_long_as_it_is_told(photographs, locator):
    read = read_photographs([photographs], locator.preprocess, 10**6)
    ticks = itertools.count()
    record = Record(planned_s=30.0)
    seconds = list(Bench(locator, read, lambda: next(ticks) / 100).run(record))  # a clock that a look moves on by 10 ms
    assert len(seconds) == 30
    assert 30 <= record.measured_s < 31
    assert {told.photographs for told in record.throughput.values()} == {record.latencies.count}
    assert record.latencies.count % 8 == 0
    for name in STAGES:
        assert record.stages[name].percentile_ms(50) == pytest.approx(10, rel=0.0051)
    assert record.latencies.percentile_ms(50) == pytest.approx(40, rel=0.0051)
    assert all(tenth.count for tenth in record.tenths)
    assert {batch: told.per_second for batch, told in record.throughput.items()} == pytest.approx(
        {1: 1 / 0.03, 4: 4 / 0.01, 8: 8 / 0.01}
    )


def test_photographs_are_decoded_under_the_limit_that_they_were_read_with(photographs, locator):
    read = read_photographs([photographs], locator.preprocess, 64 * 48)
    assert list(Bench(locator, read, time.perf_counter).run(Record(planned_s=1e-6))) == []
    small = replace(read, max_pixels=64 * 48 - 1)
    with pytest.raises(InputError, match=r"1-red\.png: 64 x 48 pixels is over the limit"):
        list(Bench(locator, small, time.perf_counter).run(Record(planned_s=1e-6)))


def test_however_short_every_batch_is_measured_once(photographs, locator):
    read = read_photographs([photographs], locator.preprocess, 10**6)
    record = Record(planned_s=1e-6)
    assert list(Bench(locator, read, time.perf_counter).run(record)) == []
    assert [told.photographs for told in record.throughput.values()] == [8, 8, 8]
    assert record.drift is None


def test_the_watch_keeps_the_least_and_the_most(tmp_path):
    watch = Watch(orin_nano(tmp_path))
    for millidegrees in ("51000", "63500", "58000"):
        write_tree(tmp_path, {"sys/class/thermal/thermal_zone0/temp": millidegrees})
        watch.look()
    assert watch.temperature_c == {"cpu-thermal": (51.0, 63.5)}
    assert watch.gpu_load == {"gpu": (0.985, 0.985)}
    assert watch.cpu_mhz == {}
    slow = Watch(laptop(tmp_path / "laptop"))
    slow.look()
    assert slow.cpu_mhz == {"slowest core": (1800.0, 1800.0), "fastest core": (2400.0, 2400.0)}


def test_bench_prints_a_page_and_writes_the_report(pigeon, tiny, photographs, tmp_path):
    found = pigeon(
        "bench", "--duration", "1", "--images", photographs, "--bundle", tiny.path, "--engine", "onnxruntime",
        "--out", "b.json",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert f"bundle       {tiny.label}\n" in found.stdout
    assert "photographs  3 of 3" in found.stdout
    assert [line.split()[0] for line in found.stdout.splitlines() if line.startswith("  ")] == [
        stage.split()[0] for stage in STAGES
    ]
    assert "publish one of --duration 30m" in found.stderr
    document = json.loads((tmp_path / "b.json").read_text())
    assert (document["schema"], document["bundle"]) == ("pigeon-edge/bench@1", tiny.label)
    assert document["engine"] == {"name": "onnxruntime", "version": version("onnxruntime"), "precision": None}
    assert f"engine       onnxruntime {version('onnxruntime')}\n" in found.stdout
    assert document["duration"]["interrupted"] is False
    assert [told["batch"] for told in document["throughput"]] == [1, 4, 8]
    latency = document["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    stage_ms = sum(stage["mean"] for stage in document["stage_ms"].values())
    assert stage_ms == pytest.approx(latency["mean"])


def test_bench_json_is_all_of_stdout(pigeon, tiny, photographs):
    found = pigeon("bench", "--duration", "0.1", "--images", photographs, "--bundle", tiny.path, "--json")
    assert json.loads(found.stdout)["photographs"]["found"] == 3


LOOKS_ARE_TOLD = """
import sys
from pigeon_edge.bench.watch import Watch
from pigeon_edge.cli import bench, main
look = Watch.look
def tell(watch):
    look(watch)
    print("looked", file=sys.stderr, flush=True)
Watch.look, bench.WARM_UP_S = tell, 0.01
main.main()
"""
"""The command, with a line whenever the sensors are looked at: before measuring begins, and after each second of it."""


def test_an_interrupted_bench_prints_what_it_measured(tiny, photographs, environment):
    command = [sys.executable, "-c", LOOKS_ARE_TOLD, "bench", "--duration", "1h", "--json", "--images", photographs]
    with subprocess.Popen(
        [*command, "--bundle", tiny.path, "--engine", "onnxruntime"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True,
    ) as process:  # fmt: skip
        for _ in range(2):  # the second: it has measured for a second
            assert process.stderr.readline() == "looked\n"
        process.send_signal(signal.SIGINT)
        document = json.loads(process.communicate(timeout=30)[0])
    assert process.returncode == 130
    assert document["duration"]["interrupted"] is True
    assert 0 < document["duration"]["measured_s"] < 3600
    assert document["latency_ms"]["count"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--duration", "0"), 2, "expected a time such as 90, 90s, 30m or 2h, found '0'"),
        (("--duration", "soon"), 2, "expected a time such as 90, 90s, 30m or 2h, found 'soon'"),
        (("--bundle", "gone.pigeon"), 5, "gone.pigeon: expected a bundle, found no manifest.json"),
        (("--images", "gone"), 4, "gone: no such file or folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bench_refuses_what_cannot_be_meant(pigeon, arguments, code, words):
    found = pigeon("bench", *arguments)
    assert (found.returncode, found.stdout) == (code, "")
    assert words in found.stderr.splitlines()[-1]
