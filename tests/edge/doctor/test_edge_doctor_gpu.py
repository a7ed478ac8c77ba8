"""JetPack, CUDA, TensorRT, pycuda and engines, on machines that no test has."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from ctypes.util import find_library
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.doctor.hosts import HEALTHY
from tests.edge.machine_trees import laptop, orin_nano, thor, write_tree

from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.doctor.cuda import check_cuda, check_pycuda
from pigeon_edge.doctor.engines import check_cpu_engine, check_engine
from pigeon_edge.doctor.finding import Status, ok
from pigeon_edge.doctor.host import Host
from pigeon_edge.doctor.jetpack import check_jetpack
from pigeon_edge.doctor.tensorrt import check_tensorrt, remedy
from pigeon_edge.encoders.tensorrt.cache import EngineCache, EnginePrecision, Latency, Trial, Verdict
from pigeon_edge.encoders.tensorrt.key import EngineKey, EngineOptions
from pigeon_edge.errors import EngineError, MissingToolError, PigeonError
from pigeon_edge.files import sha256_of
from pigeon_edge.system.machine import l4t_branch


@pytest.mark.parametrize(
    ("release", "revision", "status", "words"),
    [
        ("39", "2.0", Status.OK, "JetPack 7.2 (L4T 39.2.0)"),
        ("39", "2.1", Status.OK, "JetPack 7.2.1 (L4T 39.2.1)"),
        ("39", "2.9", Status.OK, "JetPack 7.2.1 or later (L4T 39.2.9)"),
        ("36", "4.0", Status.OK, "JetPack 6.1 (L4T 36.4.0)"),
        ("36", "4.7", Status.OK, "JetPack 6.2.1 (L4T 36.4.7)"),
        ("36", "5.0", Status.OK, "JetPack 6.2.2 (L4T 36.5.0)"),
        ("36", "5.1", Status.OK, "JetPack 6.2.2 or later (L4T 36.5.1)"),
        ("36", "5.2", Status.OK, "JetPack 6.2.3 (L4T 36.5.2)"),
        ("39", "20.0", Status.WARN, "L4T 39.20.0, which this program does not know"),
        ("36", "3.0", Status.FAIL, "L4T 36.3.0 has TensorRT 8"),
        ("35", "6.0", Status.FAIL, "L4T 35.6.0 has TensorRT 8"),
    ],
)
def test_the_release_tells_the_jetpack(tmp_path, programs, release, revision, status, words):
    root = thor(tmp_path / "thor")
    write_tree(root, {"etc/nv_tegra_release": f"# R{release} (release), REVISION: {revision}, GCID: 1\n"})
    finding = check_jetpack(Host(TOY_PLANET, root))
    assert finding.status is status
    assert words in finding.what


def test_a_jetson_in_a_container_may_hide_its_release(tmp_path):
    root = thor(tmp_path / "thor")
    (root / "etc/nv_tegra_release").unlink()
    finding = check_jetpack(Host(TOY_PLANET, root))
    assert finding.status is Status.WARN
    assert "--volume /etc/nv_tegra_release" in finding.remedy


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("/usr/lib/libgomp.so.1: cannot allocate memory in static TLS block", "LD_PRELOAD=/usr/lib/libgomp.so.1"),
        ("libnvdla_compiler.so: cannot open shared object file: No such file or directory", "(SBSA) image"),
        ("No module named 'tensorrt'", "sudo apt install python3-libnvinfer"),
        ("killed by SIGABRT", "python3 -c 'import tensorrt'"),
    ],
)
def test_a_tensorrt_that_cannot_be_loaded_says_what_to_do(orin, fake_python, reason, words):
    assert words in remedy(reason)
    finding = check_tensorrt(replace(orin, python=fake_python(f'echo Traceback >&2; echo "{reason}" >&2; exit 1')))
    assert (finding.status, finding.what) == (Status.FAIL, reason)
    assert words in finding.remedy


def test_a_library_that_aborts_or_hangs_is_a_line_and_no_more(orin, fake_python):
    finding = check_tensorrt(replace(orin, python=fake_python("kill -ABRT $$")))
    assert (finding.status, finding.what) == (Status.FAIL, "killed by SIGABRT")
    finding = check_cuda(replace(orin, python=fake_python("sleep 60"), timeout_s=0.5))
    assert finding.status is Status.FAIL
    assert "did not answer within 0.5 s" in finding.what
    assert "--runtime nvidia" in finding.remedy


@pytest.mark.parametrize(
    ("flavour", "version", "status"),
    [
        ("tensorrt", "8.6.2", Status.FAIL),
        ("tensorrt", "10.2.0", Status.FAIL),
        ("tensorrt", "11.4.1.10", Status.OK),
        ("tensorrt-rtx", "1.7.1.116", Status.OK),
    ],
)
def test_an_old_tensorrt_fails_and_a_new_one_does_not(orin, fake_python, flavour, version, status):
    told = json.dumps({"flavour": flavour, "version": version, "label": f"It {version}"})
    finding = check_tensorrt(replace(orin, python=fake_python(f"echo '{told}'")))
    assert (finding.status, finding.what.startswith(f"It {version}")) == (status, True)


def test_beside_a_desktop_gpu_the_cpu_serves(tmp_path, fake_python):
    root = write_tree(laptop(tmp_path / "desktop"), {"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX 580.1\n"})
    host = Host(TOY_PLANET, root, fake_python("echo 'no such library' >&2; exit 1"))
    for check in (check_cuda, check_tensorrt, check_pycuda):
        finding = check(host)
        assert (finding.status, finding.what) == (Status.WARN, "no such library; the CPU runs the graph")
    no_gpu = check_cuda(replace(host, python=fake_python("""echo '{"version": "13.0", "gpus": []}'""")))
    assert no_gpu.what == "driver for CUDA 13.0, no GPU; the CPU runs the graph"
    assert "nvidia-smi" in no_gpu.remedy


def test_a_jetson_without_an_engine_is_told_how_to_build_one(orin, fake_python):
    told = "no engine of graph 0123456789ab in /home/me/.cache"
    finding = check_engine(replace(orin, python=fake_python(f"echo '{told}' >&2; exit 1")))
    assert (finding.status, finding.what) == (Status.WARN, told)
    assert f"pigeon-edge export engine --bundle {TOY_PLANET}" in finding.remedy


@pytest.mark.parametrize("cosine", ["0.5", "NaN"])
def test_an_engine_that_gives_something_else_fails(orin, fake_python, cosine):
    wrong = HEALTHY.replace("0.9991", cosine)
    for check in (check_engine, check_cpu_engine):
        finding = check(replace(orin, python=fake_python(wrong)))
        assert finding.status is Status.FAIL
        assert "0.98 is the least" in finding.what


@pytest.mark.parametrize(
    ("probe", "module", "kind", "words"),
    [
        ("tensorrt", "tensorrt", MissingToolError, "No module named 'tensorrt'"),
        ("pycuda", "pycuda", EngineError, "expected an NVIDIA GPU, found none"),
        ("cuda", None, MissingToolError, "libcuda.so.1: cannot open shared object file"),
    ],
)
def test_probes_of_what_is_not_installed_end_in_one_reason(probe, module, kind, words):
    rtx = probe == "tensorrt" and importlib.util.find_spec("tensorrt_rtx_bindings")
    if rtx or (module and importlib.util.find_spec(module)) or (module is None and find_library("cuda")):
        pytest.skip(f"this machine has what the probe {probe} looks for")
    with pytest.raises(kind) as raised:
        Host(TOY_PLANET).probe(probe)
    assert words in str(raised.value)
    assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ("raise ModuleNotFoundError(\"No module named 'tensorrt'\")", MissingToolError),
        ("raise ImportError('libnvinfer.so.10: cannot open shared object file: No such file')", MissingToolError),
        ("raise OSError('libnvinfer.so.10: cannot open shared object file: No such file')", MissingToolError),
        ("raise ImportError('libgomp.so.1: cannot allocate memory in static TLS block')", EngineError),
        ("raise ZeroDivisionError", EngineError),
        ("import os; os.abort()", EngineError),
    ],
    ids=["no module", "no library", "no library of the bindings", "static TLS", "a fault", "a crash"],
)
def test_what_is_not_installed_is_told_from_what_is_broken(tmp_path, monkeypatch, trouble, error):
    folder = write_tree(tmp_path / "libraries", {"tensorrt.py": trouble})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))
    with pytest.raises(PigeonError) as raised:
        Host(TOY_PLANET).probe("tensorrt")
    assert type(raised.value) is error
    finding = check_tensorrt(Host(TOY_PLANET, orin_nano(tmp_path / "orin")))
    assert (finding.status, finding.error) == (Status.FAIL, error)


def test_without_tensorrt_the_bindings_of_rtx_are_told():
    pytest.importorskip("tensorrt_rtx_bindings")
    if importlib.util.find_spec("tensorrt"):
        pytest.skip("TensorRT itself is installed")
    told = Host(TOY_PLANET).probe("tensorrt")
    assert told["flavour"] == "tensorrt-rtx"
    assert told["label"] == f"TensorRT-RTX {told['version']}"


PYCUDA = """
class Error(Exception): pass
class MemoryError(Error): pass
class device_attribute: INTEGRATED = 18
class Device:
    def __init__(self, ordinal): assert ordinal == 0
    def name(self): return "Orin"
    def compute_capability(self): return 8, 7
    def get_attribute(self, attribute): return 1
def init(): pass
"""


@pytest.fixture
def jetson_libraries(tmp_path, monkeypatch):
    """What TensorRT and pycuda of an Orin say of themselves, as modules that any Python finds."""
    folder = write_tree(
        tmp_path / "libraries",
        {
            "tensorrt.py": "__version__ = '10.3.0'",
            "pycuda/__init__.py": "",
            "pycuda/driver.py": PYCUDA,
            "pycuda-2026.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: pycuda\nVersion: 2026.1\n",
        },
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))
    monkeypatch.setenv("PIGEON_EDGE_CACHE", str(tmp_path / "cache"))
    return EngineCache(tmp_path / "cache" / "engines")


def test_the_engine_of_this_graph_and_machine_is_found_in_the_cache(orin, jetson_libraries):
    host = replace(orin, python=Path(sys.executable))
    assert check_pycuda(host) == ok("pycuda 2026.1 sees Orin (8.7)")
    assert check_tensorrt(host) == ok("TensorRT 10.3.0")
    assert "no engine of graph" in check_engine(host).what
    graph = sha256_of(TOY_PLANET / "encoder.int8.onnx")
    key = EngineKey(graph, "tensorrt", "10.3.0", "Orin", "8.7", l4t_branch(), EngineOptions())
    trials = {EnginePrecision.INT8: Trial({1: Latency(4.9, 0.02)}, 0.998)}
    verdict = Verdict(EnginePrecision.INT8, "quicker", trials)
    jetson_libraries.store(replace(key, version="10.13.3"), b"plan", verdict)
    assert "built for tensorrt 10.13.3, this is tensorrt 10.3.0" in check_engine(host).what
    jetson_libraries.store(key, b"no plan", verdict)
    assert host.probe("engine", str(TOY_PLANET)) == {"precision": "int8", "reason": "quicker"}
    assert check_engine(host).status is Status.FAIL  # what is no plan cannot be run
