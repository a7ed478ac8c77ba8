"""The stand-ins themselves: what they refuse is what the real bindings do not have."""

from __future__ import annotations

import pytest
from tests.tensorrt_surfaces import RTX, TENSORRT, StandIn


@pytest.mark.parametrize("version", [*TENSORRT, RTX])
def test_what_is_shared_is_there_and_recorded(version):
    trt = StandIn(version)
    module = trt.module
    builder = module.Builder(module.Logger())
    network = builder.create_network(1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    config = builder.create_builder_config()
    config.builder_optimization_level = 3
    assert isinstance(network, module.INetworkDefinition)
    assert config.builder_optimization_level == 3
    assert trt.named("IBuilderConfig.builder_optimization_level=") == [(3,)]
    assert [name for name, _ in trt.calls[:3]] == ["Logger", "Builder", "Builder.create_network"]
    assert module.__version__ == version


@pytest.mark.parametrize(
    ("version", "owner", "name"),
    [
        ("11.4.0.106", "BuilderFlag", "INT8"),
        ("11.4.0.106", "BuilderFlag", "FP16"),
        ("11.4.0.106", "NetworkDefinitionCreationFlag", "EXPLICIT_BATCH"),
        ("11.4.0.106", "Builder", "platform_has_fast_int8"),
        ("11.4.0.106", "ICudaEngine", "create_execution_context_without_device_memory"),
        ("10.3.0", "Builder", "build_engine_with_config"),
        ("10.3.0", "ICudaEngine", "create_runtime_config"),
        ("10.3.0", "IBuilderConfig", "set_compute_capability"),
        (RTX, "BuilderFlag", "INT8"),
        (RTX, "ITensor", "location"),
    ],
)
def test_a_name_that_a_version_lacks_is_an_error(version, owner, name):
    with pytest.raises(AttributeError, match=name):
        getattr(getattr(StandIn(version).module, owner), name)
    with pytest.raises(AttributeError, match="IInt8EntropyCalibrator2"):
        _ = StandIn(version).module.IInt8EntropyCalibrator2


def test_a_name_that_is_not_there_cannot_be_assigned():
    config = StandIn("11.4.0.106").module.Builder(None).create_builder_config()
    with pytest.raises(AttributeError, match="no attribute 'int8_calibrator' to assign"):
        config.int8_calibrator = None
    with pytest.raises(AttributeError, match="no attribute 'set_flag' to assign"):
        config.set_flag = None


def test_behaviours_answer_and_subclasses_keep_what_is_their_own():
    trt = StandIn("10.3.0", {"Runtime.deserialize_cuda_engine": lambda runtime, plan: plan, "ICudaEngine.name": "mine"})
    assert trt.module.Runtime(None).deserialize_cuda_engine(b"plan") == b"plan"
    assert trt.module.ICudaEngine().name == "mine"

    class Monitor(trt.module.IProgressMonitor):
        def __init__(self):
            super().__init__()
            self.steps = 0

    assert Monitor().steps == 0
