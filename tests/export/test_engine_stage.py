"""From the two builds to the engine that is found, with stand-ins for what needs a GPU."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from tests.cuda_stand_in import StandInCuda
from tests.executing_engine import ExecutingTensorRt

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.encoders.golden import GOLDEN, LEAST_COSINE, least_cosine, read_golden
from pigeon_edge.encoders.tensorrt.cache import EngineCache, EnginePrecision, Verdict
from pigeon_edge.encoders.tensorrt.encoder import TensorRtEncoder, cuda
from pigeon_edge.encoders.tensorrt.key import EngineKey, EngineOptions
from pigeon_edge.errors import EngineError, GateError, InputError, NotWorthItError, UnfitEngineError, UsageError
from pigeon_export.engine.build_engine import SelfTest, Workshop, make_engine, standing_engine
from pigeon_export.engine.candidates import candidate
from pigeon_export.engine.trial import ROUNDS, WARM_UP, try_engines

TOY = TOY_PLANET / "encoder.int8.onnx"
INT8, FP16 = EnginePrecision.INT8, EnginePrecision.FP16
KEY = EngineKey("a1" * 32, "tensorrt", "10.3.0", "Orin", "8.7", "36.4", EngineOptions((1, 8)))
PROBES = np.arange(3 * 2 * 2 * 3, dtype=np.uint8).reshape(3, 2, 2, 3)


class Clock:
    """Seconds that pass only where an engine works."""

    now = 0.0

    def __call__(self):
        return self.now


class Engine:
    """Takes so many milliseconds for a photograph, and notes the batches it was given."""

    def __init__(self, clock, ms):
        self._clock, self._ms, self.batches = clock, ms, []

    def encode(self, pixels):
        self.batches.append(len(pixels))
        self._clock.now += next(self._ms) * len(pixels) / 1000
        return Encoding(pixels[:, 0, 0].astype(np.float32), np.zeros((len(pixels), 2), np.float32))


def forever(*values):
    while True:
        yield from values


class Bench:
    """A machine on which engines are as fast and as good as a test says."""

    def __init__(self, tmp_path, cosines=(0.999, 0.9999), ms=(1.0, 1.0), failures=(), unopened=()):
        self.cache, self.said, self.built, self.running = EngineCache(tmp_path / "engines"), [], [], 0
        self._cosines = dict(zip((b"int8 plan", b"fp16 plan"), cosines, strict=True))
        self._unopened = dict(unopened)
        self._failures, self._clock, self._ms = dict(failures), Clock(), dict(zip(self._cosines, ms, strict=True))
        self.workshop = Workshop(self._build, self._open, self.said.append, self._clock)
        self.test = SelfTest(PROBES, lambda encoder: self._cosines[encoder.plan], 0.98)

    def _build(self, precision, plan):
        self.built.append(precision)
        if precision in self._failures:
            raise self._failures[precision]
        plan.write_bytes(f"{precision.value} plan".encode())

    @contextmanager
    def _open(self, read):
        plan = read()
        if plan in self._unopened:
            raise self._unopened[plan]
        engine = Engine(self._clock, forever(self._ms[plan]))
        engine.plan = plan
        self.running += 1
        try:
            yield engine
        finally:
            self.running -= 1

    def make(self, demanded=None):
        return make_engine(KEY, self.cache, self.workshop, self.test, demanded)

    def standing(self, demanded=None):
        return standing_engine(KEY, self.cache, self.workshop, self.test, demanded)


@pytest.fixture
def old(tmp_path):
    """An engine from before."""
    return EngineCache(tmp_path / "engines").store(KEY, b"old plan", Verdict(FP16, "before", {}))


def kept(bench):
    return bench.cache.find(KEY).read()


def test_each_engine_is_timed_with_each_batch_and_they_take_turns():
    clock, order = Clock(), []
    int8, fp16 = Engine(clock, forever(1.0)), Engine(clock, forever(2.0, 4.0))
    for precision, engine in ((INT8, int8), (FP16, fp16)):
        engine.batches = type("Noted", (list,), {"append": lambda self, n, p=precision: order.append((p, n))})()
    trials = try_engines({INT8: int8, FP16: fp16}, PROBES, lambda encoder: 1.0, (1, 8), clock)
    calls = WARM_UP + ROUNDS
    assert order == [(INT8, 1), (FP16, 1)] * calls + [(INT8, 8), (FP16, 8)] * calls
    assert trials[INT8].latency[8].median_ms == pytest.approx(8.0)
    assert trials[INT8].latency[8].noise_ms == pytest.approx(0.0, abs=1e-9)
    assert trials[FP16].latency[1].median_ms == pytest.approx(3.0)
    assert trials[FP16].latency[1].noise_ms == pytest.approx(2.0)


def test_the_first_calls_are_not_timed():
    clock = Clock()
    slow_start = iter([1000.0] * WARM_UP + [1.0] * ROUNDS)
    trials = try_engines({FP16: Engine(clock, slow_start)}, PROBES, lambda encoder: 1.0, (1,), clock)
    assert trials[FP16].latency[1].median_ms == pytest.approx(1.0)
    assert trials[FP16].latency[1].noise_ms == pytest.approx(0.0, abs=1e-9)


def test_both_are_built_tried_and_the_one_that_passes_is_found(tmp_path):
    bench = Bench(tmp_path, cosines=(0.5, 0.9999))
    built = bench.make()
    assert bench.built == [INT8, FP16]
    assert bench.running == 0
    assert bench.cache.find(KEY) == built
    assert (built.precision, built.read()) == (FP16, b"fp16 plan")
    assert built.verdict.trials[INT8].cosine == 0.5
    assert set(built.verdict.trials[FP16].latency) == {1, 8}


@pytest.mark.parametrize(("ms", "precision"), [((1.0, 2.0), INT8), ((2.0, 1.0), FP16), ((1.0, 1.0), FP16)])
def test_of_two_that_pass_the_faster_is_stored(tmp_path, ms, precision):
    bench = Bench(tmp_path, ms=ms)
    built = bench.make()
    assert built.precision is precision
    assert kept(bench) == f"{precision.value} plan".encode()
    assert built.verdict.trials[INT8].latency[8].median_ms == pytest.approx(ms[0] * 8)


def test_int8_that_is_the_only_one_to_pass_is_stored(tmp_path):
    assert Bench(tmp_path, cosines=(0.99, 0.1)).make().read() == b"int8 plan"


def test_the_new_engine_takes_the_place_of_the_old_one(tmp_path, old):
    bench = Bench(tmp_path, cosines=(0.5, 0.9999))
    bench.make()
    assert kept(bench) == b"fp16 plan"
    assert [path.name for path in bench.cache.folder.iterdir()] == [KEY.graph_sha256[:16]]


@pytest.mark.parametrize("demanded", [None, FP16])
def test_a_failing_self_test_keeps_the_old_engine(tmp_path, old, demanded):
    bench = Bench(tmp_path, cosines=(0.5, 0.4))
    with pytest.raises(GateError, match="the old engine, if there is one, stays"):
        bench.make(demanded)
    assert kept(bench) == b"old plan"
    assert bench.running == 0


@pytest.mark.parametrize("spoilt", [{"cosines": (0.5, 0.9999)}, {"ms": (2.0, 1.0)}, {}])
def test_int8_demanded_and_not_worth_it_keeps_the_old_engine(tmp_path, old, spoilt):
    bench = Bench(tmp_path, **spoilt)
    with pytest.raises(NotWorthItError, match="int8 is not worth it"):
        bench.make(INT8)
    assert kept(bench) == b"old plan"


def test_fp16_demanded_is_all_that_is_built(tmp_path):
    bench = Bench(tmp_path)
    assert bench.make(FP16).precision is FP16
    assert bench.built == [FP16]


@pytest.mark.parametrize("error", [EngineError("TensorRT cannot build it"), InputError("no quantized activations")])
def test_int8_that_cannot_be_built_leaves_fp16_unless_it_is_demanded(tmp_path, error):
    bench = Bench(tmp_path, failures={INT8: error})
    built = bench.make()
    assert (built.precision, built.verdict.reason) == (FP16, "the only one that was tried")
    assert bench.said == [f"pigeon-edge: {error}; going on with fp16 alone"]
    with pytest.raises(type(error), match=str(error)):
        bench.make(INT8)


def test_an_engine_that_serves_need_not_be_built_again(tmp_path):
    bench = Bench(tmp_path, cosines=(0.5, 0.9999))
    assert bench.standing() is None
    built = bench.make()
    assert bench.standing() == bench.standing(FP16) == built
    assert bench.standing(INT8) is None
    assert (bench.said, bench.running) == ([], 0)


def test_an_altered_engine_is_built_anew(tmp_path):
    bench = Bench(tmp_path)
    plan = bench.make().plan
    plan.write_bytes(b"altered")
    assert bench.standing() is None
    plan.unlink()
    assert bench.standing() is None
    (plan.parent / "engine.json").write_text("{}")
    assert bench.standing() is None
    for said, words in zip(bench.said, ("altered since", "No such file", "malformed"), strict=True):
        assert words in said
        assert said.endswith("building it anew")


def test_an_engine_that_int8_was_not_tried_against_answers_nobody_who_demands_nothing(tmp_path):
    bench = Bench(tmp_path, failures={INT8: EngineError("was killed")})
    bench.make()
    assert bench.standing() is None
    assert bench.standing(FP16) is not None


def test_a_gpu_that_is_busy_is_no_reason_to_build_anew(tmp_path):
    Bench(tmp_path).make()
    busy = Bench(tmp_path, unopened={b"fp16 plan": EngineError("the GPU's memory is full")})
    with pytest.raises(EngineError, match="memory is full"):
        busy.standing()
    unfit = Bench(tmp_path, unopened={b"fp16 plan": UnfitEngineError("TensorRT cannot read the engine")})
    assert unfit.standing() is None
    assert unfit.said == [
        "pigeon-edge: the engine that is there does not run (TensorRT cannot read the engine); building it anew"
    ]


def test_int8_that_does_not_open_leaves_fp16_unless_it_is_demanded(tmp_path):
    bench = Bench(tmp_path, unopened={b"int8 plan": EngineError("no room for two engines")})
    assert bench.make().read() == b"fp16 plan"
    assert bench.said == ["pigeon-edge: no room for two engines; going on with fp16 alone"]
    with pytest.raises(EngineError, match="no room for two"):
        bench.make(INT8)
    assert bench.running == 0


def test_a_cache_that_cannot_be_written_is_a_usage_error(tmp_path):
    (tmp_path / "engines").touch()
    with pytest.raises(UsageError, match=r"engines: cannot be written \(.*\); set PIGEON_EDGE_CACHE"):
        Bench(tmp_path).make()


def test_an_engine_that_no_longer_passes_is_built_anew(tmp_path):
    Bench(tmp_path).make()
    worse = Bench(tmp_path, cosines=(0.97, 0.97))
    assert worse.standing() is None
    assert worse.said == ["pigeon-edge: the engine that is there fails the self-test (cosine 0.9700); building it anew"]
    unable = Bench(tmp_path, cosines=(float("nan"), float("nan")))
    assert unable.standing() is None


@pytest.mark.parametrize("failing", [INT8, FP16])
def test_a_build_that_is_killed_keeps_the_old_engine(tmp_path, old, failing):
    bench = Bench(tmp_path, failures={failing: EngineError("was killed"), FP16: EngineError("was killed")})
    with pytest.raises(EngineError, match="was killed"):
        bench.make()
    assert kept(bench) == b"old plan"
    assert [path.name for path in bench.cache.folder.iterdir()] == [KEY.graph_sha256[:16]]


def test_the_bundle_that_ships_goes_from_both_graphs_to_an_engine_that_answers(tmp_path, monkeypatch):
    """All of it but TensorRT's compiler and CUDA: a stand-in's engine executes the graph that it is built from."""
    gpu = StandInCuda(integrated=True, owners=3).install(monkeypatch)
    trt = ExecutingTensorRt("10.3.0", gpu)
    golden = read_golden(TOY_PLANET / GOLDEN)
    key = EngineKey.of(open_bundle(TOY_PLANET), trt.api, cuda.gpu(), "36.4")
    workshop = Workshop(
        lambda precision, plan: plan.write_bytes(candidate(TOY, precision)) and None,
        lambda read: TensorRtEncoder(trt.api, read),
        print,
    )
    cache = EngineCache(tmp_path / "engines")
    test = SelfTest(golden.pixels, lambda encoder: least_cosine(encoder, golden), LEAST_COSINE)
    built = make_engine(key, cache, workshop, test)
    assert min(trial.cosine for trial in built.verdict.trials.values()) > LEAST_COSINE
    with TensorRtEncoder(trt.api, cache.find(key).read) as encoder:
        assert least_cosine(encoder, golden) == pytest.approx(built.verdict.trials[built.precision].cosine, abs=1e-6)
    assert trt.alive == 0
    gpu.assert_nothing_left()
