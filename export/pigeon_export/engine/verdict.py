"""PURE: which precision runs on this machine.

INT8 is worth it where it passes the self-test, is faster than FP16 at some batch size, and slower at none. Faster and
slower mean: by more than the noise, which is the larger of the two interquartile ranges, and by more than 2 % of FP16's
median, since less is not worth what quantization loses.
"""

from __future__ import annotations

from collections.abc import Mapping

from pigeon_edge.encoders.tensorrt.cache import EnginePrecision, Latency, Trial, Verdict
from pigeon_edge.errors import GateError, NotWorthItError

LEAST_GAIN = 0.02

_INT8, _FP16 = EnginePrecision.INT8, EnginePrecision.FP16


def decide(
    trials: Mapping[EnginePrecision, Trial], least_cosine: float, demanded: EnginePrecision | None = None
) -> Verdict:
    """Return the precision that runs, of those that were tried; FP16 is always one of them.

    ``least_cosine`` is what the self-test asks for. Raises GateError where no engine passes, and NotWorthItError where
    INT8 is demanded and not worth it.
    """
    failed = {precision: trial for precision, trial in trials.items() if not trial.cosine >= least_cosine}
    passed = [precision for precision in trials if precision not in failed]
    if not passed:
        told = ", ".join(_failure(precision, trial, least_cosine) for precision, trial in failed.items())
        raise GateError(f"no engine passes the self-test: {told}; the old engine, if there is one, stays")
    if demanded is _INT8:
        refused = _against_int8(trials, failed, least_cosine)
        if refused:
            raise NotWorthItError(f"int8 is not worth it on this machine: {refused}; leave --precision at auto")
    return _choose(trials, failed, passed, least_cosine)


def _choose(
    trials: Mapping[EnginePrecision, Trial],
    failed: Mapping[EnginePrecision, Trial],
    passed: list[EnginePrecision],
    least_cosine: float,
) -> Verdict:
    if passed == [_INT8]:
        return Verdict(_INT8, _failure(_FP16, trials[_FP16], least_cosine), trials)
    if _INT8 not in trials:
        return Verdict(_FP16, "the only one that was tried", trials)
    refused = _against_int8(trials, failed, least_cosine)
    return Verdict(_FP16, refused, trials) if refused else Verdict(_INT8, _for_int8(trials), trials)


def _against_int8(
    trials: Mapping[EnginePrecision, Trial], failed: Mapping[EnginePrecision, Trial], least_cosine: float
) -> str:
    """Return why INT8 is not worth it, nothing where it is."""
    if _INT8 in failed:
        return _failure(_INT8, trials[_INT8], least_cosine)
    if _FP16 in failed:
        return ""
    gains = _gains(trials)
    slower = [batch for batch, gain in gains.items() if gain < 0]
    if slower:
        return f"int8 is slower than fp16 at batch {_listed(slower)}"
    if not any(gain > 0 for gain in gains.values()):
        return "int8 is not faster than fp16 by more than the noise"
    return ""


def _for_int8(trials: Mapping[EnginePrecision, Trial]) -> str:
    faster = [batch for batch, gain in _gains(trials).items() if gain > 0]
    return f"int8 is faster than fp16 at batch {_listed(faster)}, and passes the self-test"


def _gains(trials: Mapping[EnginePrecision, Trial]) -> dict[int, float]:
    """Return by batch what INT8 saves in milliseconds, 0 where that is within the noise."""
    return {batch: _beyond_noise(fp16, trials[_INT8].latency[batch]) for batch, fp16 in trials[_FP16].latency.items()}


def _beyond_noise(fp16: Latency, int8: Latency) -> float:
    gain = fp16.median_ms - int8.median_ms
    return gain if abs(gain) > max(fp16.noise_ms, int8.noise_ms, LEAST_GAIN * fp16.median_ms) else 0.0


def _failure(precision: EnginePrecision, trial: Trial, least_cosine: float) -> str:
    return f"{precision.value} fails the self-test (cosine {trial.cosine:.4f}, expected {least_cosine})"


def _listed(batches: list[int]) -> str:
    return ", ".join(map(str, batches))
