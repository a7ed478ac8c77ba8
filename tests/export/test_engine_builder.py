"""The builder against stand-ins that have exactly the names of each TensorRT, so that no other is touched."""

from __future__ import annotations

import pytest
from tests.tensorrt_surfaces import RTX, TENSORRT, Severity, StandIn

from pigeon_edge.encoders.tensorrt.api import Flavour, TensorRt
from pigeon_edge.encoders.tensorrt.key import EngineOptions
from pigeon_edge.errors import EngineError
from pigeon_export.engine.builder import BuildSettings, Log, build_plan
from pigeon_export.engine.limits import MemoryLimits
from pigeon_export.engine.progress import Steps

LIMITS = MemoryLimits(300, 200)


def tensor(stand_in):
    def of_network(network, index):
        pixels = stand_in.module.ITensor()
        pixels.shape = (-1, 96, 96, 3)
        return pixels

    return of_network


def stand_in(version, **behaviours):
    made = StandIn(version)
    steps = {"Builder.build_serialized_network": lambda *_: b"plan", "INetworkDefinition.get_input": tensor(made)}
    made.behaviours |= steps | behaviours
    return made


def api_of(made):
    version = made.module.__version__
    return TensorRt(made.module, Flavour.RTX if version == RTX else Flavour.TENSORRT, version)


def built(made, *, log=None, report=lambda *_: None, **settings):
    options = settings.pop("options", EngineOptions())
    return bytes(
        build_plan(api_of(made), b"graph", BuildSettings(options, LIMITS, **settings), log or Log(str), report)
    )


@pytest.mark.parametrize("version", [*TENSORRT, RTX])
def test_one_code_builds_on_every_version(version):
    made = stand_in(version)
    assert built(made, options=EngineOptions((1, 4, 8), 2)) == b"plan"
    pools = made.module.MemoryPoolType
    assert made.named("IBuilderConfig.set_memory_pool_limit") == [(pools.WORKSPACE, 300), (pools.TACTIC_DRAM, 200)]
    assert made.named("IBuilderConfig.builder_optimization_level=") == [(2,)]
    assert made.named("OnnxParser.parse") == [(b"graph",)]


@pytest.mark.parametrize("version", [*TENSORRT, RTX])
def test_each_batch_is_a_profile_of_one_shape(version):
    made = stand_in(version)
    built(made)
    shapes = [(batch, 96, 96, 3) for batch in (1, 4, 8)]
    assert made.named("IOptimizationProfile.set_shape") == [("pixels", shape, shape, shape) for shape in shapes]
    assert len(made.named("IBuilderConfig.add_optimization_profile")) == 3


@pytest.mark.parametrize("version", [*TENSORRT, RTX])
def test_the_network_is_strongly_typed_and_no_flag_of_precision_is_set(version):
    made = stand_in(version)
    built(made)
    typed = int(made.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    assert made.named("Builder.create_network") == [(1 << typed,)]
    assert made.named("IBuilderConfig.set_flag") == []


@pytest.mark.parametrize("version", TENSORRT)
def test_a_timing_cache_is_kept_and_given_to_the_next_build(version, tmp_path):
    path = tmp_path / "new" / "key.timing"
    made = stand_in(version, **{"ITimingCache.serialize": lambda cache: b"timings"})
    built(made, timing_cache=path)
    assert path.read_bytes() == b"timings"
    built(made, timing_cache=path)
    assert made.named("IBuilderConfig.create_timing_cache") == [(b"",), (b"timings",)]
    assert [ignore for _, ignore in made.named("IBuilderConfig.set_timing_cache")] == [False, False]


def test_a_timing_cache_of_another_library_is_begun_anew(tmp_path):
    path = tmp_path / "key.timing"
    path.write_bytes(b"other")
    taken = iter([False, True])
    attach = {"IBuilderConfig.set_timing_cache": lambda *_: next(taken), "ITimingCache.serialize": lambda _: b"new"}
    made = stand_in("10.3.0", **attach)
    built(made, timing_cache=path)
    assert made.named("IBuilderConfig.create_timing_cache") == [(b"other",), (b"",)]
    assert path.read_bytes() == b"new"


def test_rtx_has_no_timing_cache_which_would_need_a_gpu(tmp_path):
    made = stand_in(RTX)
    built(made, timing_cache=tmp_path / "key.timing", target="8.6")
    assert made.named("IBuilderConfig.create_timing_cache") == []
    assert made.named("IBuilderConfig.set_compute_capability") == [(made.module.ComputeCapability.SM86, 0)]


@pytest.mark.parametrize("version", [*TENSORRT, RTX])
def test_a_graph_that_cannot_be_read_is_told_with_its_node(version):
    def error(parser, index):
        return parser_error

    made = stand_in(
        version,
        **{
            "OnnxParser.parse": lambda *_: False,
            "OnnxParser.num_errors": 1,
            "OnnxParser.get_error": error,
            "ParserError.desc": lambda _: "no importer\nfor Frobnicate",
            "ParserError.node_name": lambda _: "layers.0.fc1",
        },
    )
    parser_error = made.module.ParserError()
    with pytest.raises(EngineError, match=r"cannot read the graph: no importer for Frobnicate \(node layers\.0\.fc1\)"):
        built(made)


@pytest.mark.parametrize("version", [*TENSORRT, RTX])
def test_a_build_that_gives_nothing_tells_the_last_error_of_the_log(version):
    def give_nothing(builder, network, config):
        logger = made.named("Builder")[0][0]
        logger.log(Severity.ERROR, "Could not find any implementation\nfor node fc1")
        logger.log(Severity.WARNING, "later")

    made, lines = stand_in(version), []
    made.behaviours["Builder.build_serialized_network"] = give_nothing
    with pytest.raises(EngineError, match=r"cannot build the engine: Could not find any implementation for node fc1$"):
        built(made, log=Log(lines.append))
    assert lines[-1] == "later"


def test_without_a_gpu_the_builder_cannot_even_begin():
    def refuse(builder, logger):
        logger.log(Severity.ERROR, "CUDA initialization failure with error: 35")
        raise TypeError("pybind11::init(): factory function returned nullptr")

    words = r"^TensorRT 10\.3\.0 finds no GPU to build for \(CUDA initialization failure with error: 35\)"
    with pytest.raises(EngineError, match=words):
        built(stand_in("10.3.0", Builder=refuse))


@pytest.mark.parametrize("version", [*TENSORRT, RTX])
def test_progress_is_what_the_monitor_hears(version):
    told = []

    def monitored(builder, network, config):
        monitor = config.progress_monitor
        monitor.phase_start("Building engine", None, 2)
        assert monitor.step_complete("Building engine", 0) is True
        monitor.phase_start("Timing", "Building engine", 4)
        monitor.step_complete("Timing", 1)
        monitor.phase_finish("Timing")
        return b"plan"

    built(stand_in(version, **{"Builder.build_serialized_network": monitored}), report=lambda *say: told.append(say))
    assert told == [(0.5, "Building engine"), (0.75, "Timing")]


def test_progress_only_grows_by_hundredths_and_ignores_the_unknown():
    told = []
    steps = Steps(lambda fraction, phase: told.append(fraction))
    steps.start("a", None, 1000)
    for step in range(1000):
        steps.complete("a", step)
    steps.complete("unknown", 3)
    steps.finish("unknown")
    steps.start("b", "gone", 0)
    steps.complete("b", 7)
    assert len(told) <= 100
    assert told == sorted(set(told))
    assert told[-1] <= 1
