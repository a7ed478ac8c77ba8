"""The TensorRT encoder on stand-ins of CUDA and of each TensorRT; no GPU has run this."""

from __future__ import annotations

import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from tests.cuda_stand_in import OutOfMemoryError, StandInCuda
from tests.executing_engine import ExecutingTensorRt
from tests.tensorrt_surfaces import RTX, TENSORRT

from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.encoders.golden import LEAST_COSINE, least_cosine, read_golden
from pigeon_edge.encoders.onnxruntime import OnnxRuntimeEncoder
from pigeon_edge.encoders.tensorrt.encoder import TensorRtEncoder, cuda
from pigeon_edge.errors import EngineError, MissingToolError
from pigeon_edge.testing import FakeEncoder

VERSIONS = [*TENSORRT, RTX]
TOY_GRAPH = TOY_PLANET / "encoder.int8.onnx"


@pytest.fixture(params=[True, False], ids=["integrated", "discrete"])
def gpu(request, monkeypatch):
    found = StandInCuda(request.param).install(monkeypatch)
    gc.freeze()  # what other tests have left is none of this one's, and slow to look through
    yield found
    gc.collect()
    gc.unfreeze()
    found.assert_nothing_left()


@pytest.fixture
def plan(make_graph):
    return make_graph()


def _pixels(count, size=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_number_of_photographs_gives_what_onnx_runtime_gives(gpu, version):
    pixels = _pixels(17, 96)
    expected = OnnxRuntimeEncoder(TOY_GRAPH).encode(pixels)
    assert np.ptp(expected.cell_logits, axis=0).max() > 0.1  # so that an exchange of photographs is seen
    trt = ExecutingTensorRt(version, gpu)
    with TensorRtEncoder(trt.api, TOY_GRAPH.read_bytes) as encoder:
        for count in range(1, 18):
            found = encoder.encode(pixels[:count])
            assert found.embedding.dtype == found.cell_logits.dtype == np.float32
            np.testing.assert_allclose(found.embedding, expected.embedding[:count], atol=1e-3)
            np.testing.assert_allclose(found.cell_logits, expected.cell_logits[:count], atol=1e-3)
    assert trt.alive == 0


@pytest.mark.parametrize(
    ("count", "batches"),
    [(1, [1]), (2, [4]), (4, [4]), (5, [8]), (6, [8]), (8, [8]), (9, [8, 1]), (12, [8, 4]), (31, [8, 8, 8, 8])],
)
def test_photographs_go_in_full_batches_and_the_rest_in_the_smallest_that_holds_it(gpu, plan, count, batches):
    trt = ExecutingTensorRt("10.3.0", gpu)
    with TensorRtEncoder(trt.api, lambda: plan) as encoder:
        found = encoder.encode(_pixels(count))
    assert trt.batches == batches
    np.testing.assert_allclose(found.embedding, FakeEncoder().encode(_pixels(count)).embedding, atol=1e-5)


def test_an_output_that_is_not_read_has_somewhere_to_go(gpu, plan):
    model = onnx.load_from_string(plan)
    model.graph.node.append(onnx.helper.make_node("Neg", ["image_embedding"], ["opposite"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("opposite", onnx.TensorProto.FLOAT, ["N", 3]))
    trt = ExecutingTensorRt("10.3.0", gpu)
    with TensorRtEncoder(trt.api, model.SerializeToString) as encoder:
        found = encoder.encode(_pixels(5))
    np.testing.assert_allclose(found.embedding, FakeEncoder().encode(_pixels(5)).embedding, atol=1e-5)
    assert found.tasks == {}


def test_buffers_are_made_once_and_a_gpu_that_shares_memory_gets_one_for_both(gpu, plan):
    trt = ExecutingTensorRt("10.3.0", gpu)
    with TensorRtEncoder(trt.api, lambda: plan) as encoder:
        before = gpu.allocated
        for count in (1, 8, 3, 17):
            encoder.encode(_pixels(count))
        assert gpu.allocated == before == (3 if gpu.integrated else 6)
        assert len(gpu.device) == (0 if gpu.integrated else 3)
        assert len(trt.stand_in.named("IExecutionContext.set_tensor_address")) == 5 * 3


def test_a_profile_is_selected_only_where_the_batch_changes(gpu, plan):
    trt = ExecutingTensorRt("11.4.0.106", gpu)
    with TensorRtEncoder(trt.api, lambda: plan) as encoder:
        for count in (1, 1, 1, 16, 3):
            encoder.encode(_pixels(count))
    selected = trt.stand_in.named("IExecutionContext.set_optimization_profile_async")
    assert [index for index, _ in selected] == [0, 2, 1]


def test_profiles_are_told_by_their_batch_and_not_by_their_place(gpu, plan):
    trt = ExecutingTensorRt("10.3.0", gpu, profiles=(8, 1, 4))
    with TensorRtEncoder(trt.api, lambda: plan) as encoder:
        found = encoder.encode(_pixels(9))
    assert trt.batches == [8, 1]
    np.testing.assert_allclose(found.embedding, FakeEncoder().encode(_pixels(9)).embedding, atol=1e-5)


def test_outputs_in_fp16_come_as_float32(gpu, plan):
    trt = ExecutingTensorRt("10.3.0", gpu, half=("image_embedding", "cell_logits"))
    with TensorRtEncoder(trt.api, lambda: plan) as encoder:
        found = encoder.encode(_pixels(3))
    assert found.embedding.dtype == found.cell_logits.dtype == np.float32
    np.testing.assert_allclose(found.embedding, FakeEncoder().encode(_pixels(3)).embedding, atol=1e-3)


def test_an_encoding_stays_when_another_is_made_and_when_the_encoder_is_closed(gpu, plan):
    trt = ExecutingTensorRt("10.3.0", gpu)
    with TensorRtEncoder(trt.api, lambda: plan) as encoder:
        first = encoder.encode(_pixels(2, seed=1))
        encoder.encode(_pixels(2, seed=2))
    np.testing.assert_allclose(first.embedding, FakeEncoder().encode(_pixels(2, seed=1)).embedding, atol=1e-5)


def test_pixels_need_not_lie_in_one_piece(gpu, plan):
    pixels = _pixels(4)[::-1, :, ::-1]
    with TensorRtEncoder(ExecutingTensorRt("10.3.0", gpu).api, lambda: plan) as encoder:
        found = encoder.encode(pixels)
    np.testing.assert_allclose(found.embedding, FakeEncoder().encode(pixels).embedding, atol=1e-5)


def test_many_threads_may_ask_at_once_and_each_gets_its_own_answer(gpu, plan):
    with TensorRtEncoder(ExecutingTensorRt("10.3.0", gpu).api, lambda: plan) as encoder, ThreadPoolExecutor(8) as pool:
        asked = [_pixels(1 + seed % 9, seed=seed) for seed in range(40)]
        for pixels, found in zip(asked, pool.map(encoder.encode, asked), strict=True):
            np.testing.assert_allclose(found.embedding, FakeEncoder().encode(pixels).embedding, atol=1e-5)
        assert len(gpu.threads - {threading.get_ident()}) == 1


def test_a_failure_while_closing_is_told(gpu, plan):
    trt = ExecutingTensorRt("10.3.0", gpu)
    encoder = TensorRtEncoder(trt.api, lambda: plan)
    gpu.fail("synchronize")
    with pytest.raises(EngineError, match="synchronize failed: an illegal memory access"):
        encoder.close()
    encoder.close()
    assert trt.alive == 0


def test_closing_twice_is_allowed_and_encoding_after_it_is_not(gpu, plan):
    encoder = TensorRtEncoder(ExecutingTensorRt("10.3.0", gpu).api, lambda: plan)
    encoder.close()
    encoder.close()
    gpu.assert_nothing_left()
    with pytest.raises(EngineError, match="this encoder is closed; open it again"):
        encoder.encode(_pixels(1))


def test_a_forgotten_encoder_is_released(gpu, plan):
    trt = ExecutingTensorRt("10.3.0", gpu)
    encoder = TensorRtEncoder(trt.api, lambda: plan)
    encoder.encode(_pixels(1))
    del encoder
    gc.collect()
    gpu.assert_nothing_left()
    assert trt.alive == 0


@pytest.mark.parametrize("step", ["execute_async_v3", "synchronize"])
def test_a_failure_while_running_reaches_the_caller_and_the_next_call_works(gpu, plan, step):
    trt = ExecutingTensorRt("10.3.0", gpu)
    with TensorRtEncoder(trt.api, lambda: plan) as encoder:
        if step == "synchronize":
            gpu.fail(step)
        else:
            trt.fail.add(step)
        words = {"execute_async_v3": "TensorRT cannot run the engine.*build the engine again: pigeon-edge export",
                 "synchronize": "expected a GPU that works, CUDA says: synchronize failed"}  # fmt: skip
        with pytest.raises(EngineError, match=words[step]) as raised:
            encoder.encode(_pixels(3))
        assert "\n" not in str(raised.value)
        trt.fail.clear()
        found = encoder.encode(_pixels(3))
        np.testing.assert_allclose(found.embedding, FakeEncoder().encode(_pixels(3)).embedding, atol=1e-5)
    assert trt.alive == 0  # although the error is still held


@pytest.mark.parametrize("step", ["retain_primary_context", "push", "Stream", "pagelocked_empty", "the GPU's side",
                                  "ICudaEngine", "IExecutionContext"])  # fmt: skip
def test_a_failure_while_opening_leaves_nothing(gpu, plan, step):
    if step == "the GPU's side":
        step = "get_device_pointer" if gpu.integrated else "mem_alloc"
    trt = ExecutingTensorRt("10.3.0", gpu)
    gpu.fail(step, OutOfMemoryError(f"{step} failed: out of memory"))
    with pytest.raises(
        EngineError, match=rf"the GPU's memory is full \({step} failed: out of memory\): stop"
    ) as raised:
        TensorRtEncoder(trt.api, lambda: plan)
    gpu.assert_nothing_left()
    assert trt.alive == 0
    assert "\n" not in str(raised.value)


def test_tensorrt_that_has_no_room_for_its_activations_is_an_error(gpu, plan):
    trt = ExecutingTensorRt("10.3.0", gpu)
    trt.fail.add("create_execution_context")
    with pytest.raises(EngineError, match="the GPU has no room for the engine's activations"):
        TensorRtEncoder(trt.api, lambda: plan)
    assert trt.alive == 0


@pytest.mark.parametrize(("version", "name"), [("10.3.0", "TensorRT 10.3.0"), (RTX, f"TensorRT-RTX {RTX}")])
def test_a_damaged_plan_says_how_to_build_it_again(gpu, version, name):
    trt = ExecutingTensorRt(version, gpu)
    with pytest.raises(EngineError, match=rf"{name} cannot read the engine: damaged.*pigeon-edge export engine"):
        TensorRtEncoder(trt.api, lambda: b"damaged")
    assert trt.alive == 0


def test_a_tensorrt_that_the_driver_does_not_fit_is_an_error(gpu, plan):
    def returned_nothing(logger):
        raise TypeError("pybind11::init(): factory function returned nullptr")

    trt = ExecutingTensorRt("10.3.0", gpu)
    trt.module.Runtime = returned_nothing
    with pytest.raises(EngineError, match=r"TensorRT 10\.3\.0 does not start on this GPU.*install the one that"):
        TensorRtEncoder(trt.api, lambda: plan)


def test_an_engine_without_the_logits_is_refused(gpu, make_graph):
    trt = ExecutingTensorRt("10.3.0", gpu)
    with pytest.raises(EngineError, match="the engine: an encoder has cell_logits, found only pixels, image_embedding"):
        TensorRtEncoder(trt.api, lambda: make_graph(("image_embedding",)))
    assert trt.alive == 0


def test_pixels_of_another_size_are_refused_and_not_stretched(gpu, plan):
    with TensorRtEncoder(ExecutingTensorRt("10.3.0", gpu).api, lambda: plan) as encoder:
        for shape in [(2, 16, 17, 3), (2, 1, 1, 3)]:
            with pytest.raises(EngineError, match=r"takes pixels of \(16, 16, 3\), found \(1"):
                encoder.encode(np.zeros(shape, np.uint8))


def test_the_self_test_passes_on_the_bundle_that_ships(gpu):
    golden = read_golden(TOY_PLANET / "golden.safetensors")
    with TensorRtEncoder(ExecutingTensorRt("10.3.0", gpu).api, TOY_GRAPH.read_bytes) as encoder:
        assert least_cosine(encoder, golden) > LEAST_COSINE


def test_the_gpu_is_told_as_the_driver_tells_it(gpu):
    found = cuda.gpu()
    assert (found.name, found.capability, found.integrated) == ("Orin", (8, 7), gpu.integrated)


def test_without_pycuda_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr("pigeon_edge.encoders.tensorrt.cuda.has_nvidia_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(MissingToolError, match=r"need pycuda \(.*nvcc on the PATH, pip install pycuda"):
        cuda.gpu()


def test_without_a_gpu_it_is_said_so(gpu):
    gpu.fail("init", gpu.module.Error("cuInit failed: no CUDA-capable device is detected"))
    with pytest.raises(EngineError, match="expected a GPU that works, CUDA says: cuInit failed: no CUDA-capable"):
        cuda.gpu()
