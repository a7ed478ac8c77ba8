"""Which precision runs, and how much memory a build may take: arithmetic only."""

from __future__ import annotations

import math

import pytest

from pigeon_edge.encoders.tensorrt.cache import EnginePrecision, Latency, Trial
from pigeon_edge.errors import EngineError, GateError, NotWorthItError
from pigeon_export.engine.limits import MIB, MemoryLimits, memory_limits
from pigeon_export.engine.verdict import decide

INT8, FP16 = EnginePrecision.INT8, EnginePrecision.FP16


def trial(*medians_ms, noise_ms=0.1, cosine=0.999):
    return Trial({batch: Latency(ms, noise_ms) for batch, ms in zip((1, 8), medians_ms, strict=True)}, cosine)


def chosen(int8, fp16, demanded=None):
    return decide({INT8: int8, FP16: fp16}, 0.98, demanded)


@pytest.mark.parametrize(
    ("int8_ms", "precision", "reason"),
    [
        ((8.0, 30.0), INT8, "int8 is faster than fp16 at batch 1, 8, and passes the self-test"),
        ((9.95, 30.0), INT8, "int8 is faster than fp16 at batch 8, and passes the self-test"),
        ((8.0, 45.0), FP16, "int8 is slower than fp16 at batch 8"),
        ((20.0, 80.0), FP16, "int8 is slower than fp16 at batch 1, 8"),
        ((9.85, 39.5), FP16, "int8 is not faster than fp16 by more than the noise"),
    ],
)
def test_int8_runs_where_it_is_faster_somewhere_and_slower_nowhere(int8_ms, precision, reason):
    verdict = chosen(trial(*int8_ms), trial(10.0, 40.0))
    assert (verdict.precision, verdict.reason) == (precision, reason)
    assert set(verdict.trials) == {INT8, FP16}


def test_a_gain_within_the_larger_noise_is_none():
    assert chosen(trial(9.0, 39.0, noise_ms=0.1), trial(10.0, 40.0, noise_ms=1.5)).precision is FP16
    assert chosen(trial(9.0, 39.0, noise_ms=1.5), trial(10.0, 40.0, noise_ms=0.1)).precision is FP16
    assert chosen(trial(9.0, 39.0, noise_ms=0.1), trial(10.0, 40.0, noise_ms=0.1)).precision is INT8


@pytest.mark.parametrize("cosine", [0.9, math.nan])
def test_int8_that_fails_the_self_test_does_not_run_however_fast(cosine):
    verdict = chosen(trial(1.0, 1.0, cosine=cosine), trial(10.0, 40.0))
    assert verdict.precision is FP16
    assert verdict.reason == f"int8 fails the self-test (cosine {cosine:.4f}, expected 0.98)"


def test_int8_runs_however_slow_where_fp16_fails():
    verdict = chosen(trial(20.0, 80.0), trial(10.0, 40.0, cosine=0.1))
    assert (verdict.precision, verdict.reason) == (INT8, "fp16 fails the self-test (cosine 0.1000, expected 0.98)")


@pytest.mark.parametrize("demanded", [None, INT8])
def test_where_both_fail_nothing_runs(demanded):
    with pytest.raises(GateError, match=r"no engine passes.*int8 fails the self-test \(cosine 0\.5000.*fp16 fails"):
        chosen(trial(1.0, 1.0, cosine=0.5), trial(1.0, 1.0, cosine=0.2), demanded)


def test_where_fp16_alone_was_tried_and_fails_nothing_runs():
    with pytest.raises(GateError, match=r"no engine passes.*fp16 fails .*the old engine, if there is one, stays"):
        decide({FP16: trial(1.0, 1.0, cosine=0.2)}, 0.98, FP16)


@pytest.mark.parametrize(
    ("int8", "words"),
    [
        (trial(20.0, 80.0), "not worth it on this machine: int8 is slower than fp16 at batch 1, 8"),
        (trial(10.0, 40.0), "not faster than fp16 by more than the noise"),
        (trial(1.0, 1.0, cosine=0.5), "fails the self-test"),
    ],
)
def test_int8_demanded_and_not_worth_it_is_an_error_of_its_own(int8, words):
    with pytest.raises(NotWorthItError, match=words) as raised:
        chosen(int8, trial(10.0, 40.0), INT8)
    assert raised.value.exit_code == 9


def test_int8_demanded_and_worth_it_runs():
    assert chosen(trial(8.0, 30.0), trial(10.0, 40.0), INT8).precision is INT8


def test_one_that_was_built_alone_runs():
    verdict = decide({FP16: trial(1.0, 1.0)}, 0.98, FP16)
    assert (verdict.precision, verdict.reason) == (FP16, "the only one that was tried")


def test_limits_are_half_each_of_what_the_system_the_library_and_the_weights_leave():
    # 3072 - 512 for the system - 768 for the library - 4 x 300 for the graph = 592
    assert memory_limits(3072 * MIB, 300 * MIB) == MemoryLimits(296 * MIB, 296 * MIB)


def test_limits_stay_at_a_gibibyte_where_there_is_plenty():
    assert memory_limits(64 * 1024 * MIB, 300 * MIB) == MemoryLimits(1024 * MIB, 1024 * MIB)


def test_too_little_memory_says_what_to_do_before_anything_is_built():
    # 512 + 768 + 4 x 300 + 2 x 128 = 2736
    assert memory_limits(2736 * MIB, 300 * MIB) == MemoryLimits(128 * MIB, 128 * MIB)
    words = r"^expected 2736 MiB of free memory to build, found 2734 MiB; stop the desktop .*, add swap$"
    with pytest.raises(EngineError, match=words):
        memory_limits(2734 * MIB, 300 * MIB)
    with pytest.raises(EngineError, match=r"add swap, or boot with cma=512M for the GPU's share \(CmaFree 7 MiB\)$"):
        memory_limits(2734 * MIB, 300 * MIB, 7 * MIB)
