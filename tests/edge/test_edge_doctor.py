from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import shutil
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest
from tests.edge.machine_trees import laptop, meminfo, orin_nano, thor, write_program, write_tree

from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.doctor.cameras import check_cameras
from pigeon_edge.doctor.checkup import CHECKS, Check, Checkup, _finding, examine
from pigeon_edge.doctor.cuda import check_cuda, check_pycuda
from pigeon_edge.doctor.engines import check_cpu_engine, check_engine
from pigeon_edge.doctor.finding import Status, fail, ok, warn
from pigeon_edge.doctor.gstreamer import check_gstreamer
from pigeon_edge.doctor.host import Host, User
from pigeon_edge.doctor.jetpack import check_jetpack
from pigeon_edge.doctor.libraries import check_faiss, check_video
from pigeon_edge.doctor.memory import check_cma, check_memory
from pigeon_edge.doctor.page import page
from pigeon_edge.doctor.tensorrt import check_tensorrt, remedy
from pigeon_edge.engines.cache import EngineCache, EnginePrecision, Latency, Trial, Verdict
from pigeon_edge.engines.key import EngineKey, EngineOptions
from pigeon_edge.errors import EngineError
from pigeon_edge.files import sha256_of
from pigeon_edge.system.machine import l4t_branch

HEALTHY = """
case "$3" in
  cuda) echo '{"version": "12.6", "gpus": ["Orin (8.7)"]}';;
  tensorrt)
    echo 'a library that talks'
    echo '{"flavour": "tensorrt", "version": "10.3.0", "label": "TensorRT 10.3.0"}'
    ;;
  pycuda) echo '{"version": "2026.1", "gpu": "Orin (8.7)"}';;
  faiss) echo '{"version": "1.12.0", "maps": true}';;
  av) echo '{"version": "17.1.0"}';;
  engine) echo '{"precision": "int8", "reason": "1.15 times as quick as fp16"}';;
  self_test) echo "{\\"engine\\": \\"$5\\", \\"cosine\\": 0.9991, \\"least\\": 0.98}";;
esac
"""
"""What a healthy Jetson's Python would answer: no test here has one."""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that is all of the PATH but the shell's own programs."""
    for name in ("sleep", "sh"):
        write_program(tmp_path / "bin", name, f'exec {shutil.which(name)} "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


@pytest.fixture
def python(tmp_path):
    """Return a path to a Python whose answers are those of a shell script."""

    def write(script):
        return write_program(tmp_path / "fake", "python", script) / "python"

    return write


@pytest.fixture
def orin(tmp_path, python):
    return Host(TOY_PLANET, orin_nano(tmp_path / "orin"), python(HEALTHY))


def _with(host, **changes):
    return dataclasses.replace(host, **changes)


def _without_gpu(tmp_path):
    return Host(TOY_PLANET, laptop(tmp_path / "laptop"), Path("/no/such/python"))


def test_a_laptop_without_a_gpu_needs_nothing_of_nvidia(tmp_path, programs):
    host = _without_gpu(tmp_path)
    checks = (check_jetpack, check_cuda, check_tensorrt, check_pycuda, check_engine, check_cma, check_gstreamer)
    for check in checks:
        finding = check(host)
        assert (finding.status, finding.remedy) == (Status.OK, "")
        assert finding.what.startswith("not needed: ")


def test_a_healthy_orin_nano(orin, programs):
    write_program(programs, "dpkg-query", "printf 6.2.1+b38")
    write_program(programs, "gst-launch-1.0", "echo 'gst-launch-1.0 version 1.20.3'; echo 'GStreamer 1.20.3'")
    write_program(programs, "gst-inspect-1.0", "exit 0")
    checkup = examine(orin)
    assert [finding.status for _, finding in checkup.findings] == [Status.OK] * len(CHECKS)
    told = {check.name: finding.what for check, finding in checkup.findings}
    assert told["JetPack"] == "JetPack 6.2 (L4T 36.4.3), package nvidia-jetpack 6.2.1+b38"
    assert told["CUDA"] == "driver for CUDA 12.6: Orin (8.7)"
    assert told["TensorRT"] == "TensorRT 10.3.0"
    assert (
        told["engine"] == "tensorrt gives the golden probes at a cosine of 0.99910, int8: 1.15 times as quick as fp16"
    )
    assert told["GStreamer"] == "GStreamer 1.20.3 with nvv4l2decoder, nvvidconv, nvarguscamerasrc"
    assert told["CMA"] == "200 of 256 MiB of contiguous memory free"
    assert checkup.machine.board.startswith("NVIDIA Jetson Orin Nano")


@pytest.mark.parametrize(
    ("release", "revision", "status", "words"),
    [
        ("39", "2.0", Status.OK, "JetPack 7.2 (L4T 39.2.0)"),
        ("36", "4.7", Status.OK, "JetPack 6.2.1 (L4T 36.4.7)"),
        ("36", "5.0", Status.OK, "JetPack 6.2.2"),
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
def test_a_tensorrt_that_cannot_be_loaded_says_what_to_do(orin, python, reason, words):
    assert words in remedy(reason)
    finding = check_tensorrt(_with(orin, python=python(f'echo Traceback >&2; echo "{reason}" >&2; exit 1')))
    assert (finding.status, finding.what) == (Status.FAIL, reason)
    assert words in finding.remedy


def test_a_library_that_aborts_or_hangs_is_a_line_and_no_more(orin, python):
    finding = check_tensorrt(_with(orin, python=python("kill -ABRT $$")))
    assert (finding.status, finding.what) == (Status.FAIL, "killed by SIGABRT")
    finding = check_cuda(_with(orin, python=python("sleep 60"), timeout_s=0.5))
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
def test_an_old_tensorrt_fails_and_a_new_one_does_not(orin, python, flavour, version, status):
    told = json.dumps({"flavour": flavour, "version": version, "label": f"It {version}"})
    finding = check_tensorrt(_with(orin, python=python(f"echo '{told}'")))
    assert (finding.status, finding.what.startswith(f"It {version}")) == (status, True)


def test_beside_a_desktop_gpu_the_cpu_serves(tmp_path, python):
    root = write_tree(laptop(tmp_path / "desktop"), {"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX 580.1\n"})
    host = Host(TOY_PLANET, root, python("echo 'no such library' >&2; exit 1"))
    for check in (check_cuda, check_tensorrt, check_pycuda):
        finding = check(host)
        assert (finding.status, finding.what) == (Status.WARN, "no such library; the CPU runs the graph")
    no_gpu = check_cuda(_with(host, python=python("""echo '{"version": "13.0", "gpus": []}'""")))
    assert no_gpu.what == "driver for CUDA 13.0, no GPU; the CPU runs the graph"
    assert "nvidia-smi" in no_gpu.remedy


def test_a_jetson_without_an_engine_is_told_how_to_build_one(orin, python):
    told = "no engine of graph 0123456789ab in /home/me/.cache"
    finding = check_engine(_with(orin, python=python(f"echo '{told}' >&2; exit 1")))
    assert (finding.status, finding.what) == (Status.WARN, told)
    assert f"pigeon-edge export engine --bundle {TOY_PLANET}" in finding.remedy


@pytest.mark.parametrize("cosine", ["0.5", "NaN"])
def test_an_engine_that_gives_something_else_fails(orin, python, cosine):
    wrong = HEALTHY.replace("0.9991", cosine)
    for check in (check_engine, check_cpu_engine):
        finding = check(_with(orin, python=python(wrong)))
        assert finding.status is Status.FAIL
        assert "0.98 is the least" in finding.what


def test_faiss_must_map_galleries_and_be_there(orin, python):
    old = """echo '{"version": "1.7.4", "maps": false}'"""
    assert check_faiss(_with(orin, python=python(old))).what == "faiss 1.7.4 cannot map a gallery into memory"
    finding = check_faiss(_with(orin, python=python("echo \"No module named 'faiss'\" >&2; exit 1")))
    assert (finding.status, finding.remedy) == (Status.FAIL, "pip install 'faiss-cpu>=1.12'")


def test_video_is_for_a_jetson_and_else_an_extra(orin, tmp_path, python):
    missing = python("echo \"No module named 'av'\" >&2; exit 1")
    assert check_video(_with(orin, python=missing)).status is Status.WARN
    assert check_video(_with(_without_gpu(tmp_path), python=missing)).status is Status.OK
    broken = python("echo 'libavcodec.so: cannot open shared object file' >&2; exit 1")
    assert check_video(_with(_without_gpu(tmp_path), python=broken)).status is Status.WARN


@pytest.mark.parametrize(
    ("table", "status", "words"),
    [
        (meminfo(7620, 120, 4000), Status.FAIL, "this bundle takes about 0.2 GiB"),
        (meminfo(7620, 5000, 0), Status.WARN, "building an engine may be killed"),
        (meminfo(7620, 5000, 4000), Status.OK, "4.9 GiB of 7.4 GiB available, swap 3.9 GiB"),
        (meminfo(62000, 50000, 0), Status.OK, "swap 0.0 GiB"),
        ("", Status.WARN, "does not tell"),
    ],
)
def test_memory_is_held_against_what_the_bundle_takes(tmp_path, table, status, words):
    root = write_tree(orin_nano(tmp_path), {"proc/meminfo": table})
    finding = check_memory(Host(TOY_PLANET, root))
    assert finding.status is status
    assert words in finding.what
    assert bool(finding.remedy) == (status is not Status.OK)


@pytest.mark.parametrize(
    ("cma_mib", "status", "words"),
    [
        ((128, 120), Status.WARN, "cma=512M"),
        ((512, 20), Status.WARN, "isolate multi-user.target"),
        ((256, 64), Status.OK, ""),
    ],
)
def test_little_contiguous_memory_warns(tmp_path, cma_mib, status, words):
    root = write_tree(orin_nano(tmp_path), {"proc/meminfo": meminfo(7620, 5000, 4000, cma_mib)})
    finding = check_cma(Host(TOY_PLANET, root))
    assert finding.status is status
    assert words in finding.remedy


def test_a_camera_that_the_user_may_not_use(tmp_path):
    root = write_tree(laptop(tmp_path), {"dev/video0": "", "dev/video1": "", "dev/null": ""})
    for name in ("video0", "video1"):
        (root / "dev" / name).chmod(0o660)
    gid = (root / "dev/video0").stat().st_gid
    stranger, member = User(54321, frozenset({54321})), User(54321, frozenset({54321, gid}))
    finding = check_cameras(Host(TOY_PLANET, root, user=stranger))
    assert finding.status is Status.WARN
    assert finding.what.endswith("this user may not use /dev/video0, /dev/video1")
    assert finding.remedy.startswith("sudo usermod -aG ")
    assert check_cameras(Host(TOY_PLANET, root, user=member)) == ok("/dev/video0, /dev/video1")
    assert check_cameras(Host(TOY_PLANET, root, user=User(0, frozenset()))).status is Status.OK


def test_without_a_camera_nothing_is_wrong(tmp_path):
    assert check_cameras(Host(TOY_PLANET, laptop(tmp_path))).status is Status.OK


def test_csi_cameras_need_their_daemon(tmp_path):
    root = write_tree(orin_nano(tmp_path), {"dev/video0": ""})
    root_user = User(0, frozenset())
    assert "nvargus-daemon" in check_cameras(Host(TOY_PLANET, root, user=root_user)).remedy
    write_tree(root, {"tmp/argus_socket": ""})
    assert check_cameras(Host(TOY_PLANET, root, user=root_user)).status is Status.OK


def test_gstreamer_on_a_jetson_needs_nvidias_elements(orin, programs):
    assert "gst-launch-1.0 is not installed" in check_gstreamer(orin).what
    write_program(programs, "gst-launch-1.0", "echo 'GStreamer 1.24.2'")
    write_program(programs, "gst-inspect-1.0", '[ "$2" != nvarguscamerasrc ]')
    finding = check_gstreamer(orin)
    assert (finding.status, finding.what) == (Status.WARN, "GStreamer 1.24.2 without nvarguscamerasrc")
    write_program(programs, "gst-inspect-1.0", "sleep 60")
    finding = check_gstreamer(_with(orin, timeout_s=0.5))
    assert (finding.status, finding.what) == (Status.WARN, "gst-inspect-1.0 did not answer within 0.5 s")


def test_the_real_gstreamer_tells_its_version(orin):
    if shutil.which("gst-inspect-1.0") is None:
        pytest.skip("GStreamer is not installed")
    finding = check_gstreamer(orin)
    assert finding.what.startswith("GStreamer 1.")
    assert "nvarguscamerasrc" in finding.what


def test_a_check_that_breaks_is_a_line_that_fails(tmp_path):
    def breaks(_host):
        raise ZeroDivisionError("by nought")

    finding = _finding(Check("odd", breaks, EngineError), _without_gpu(tmp_path))
    assert (finding.status, finding.what) == (Status.FAIL, "the check itself broke: ZeroDivisionError('by nought')")


def test_what_hangs_is_given_up_and_the_rest_is_told(orin, python, programs):
    for name in ("gst-launch-1.0", "dpkg-query"):
        write_program(programs, name, "sleep 60")
    checkup = examine(_with(orin, python=python("sleep 60"), timeout_s=0.5, self_test_s=1.0))
    hanging = [check.name for check, finding in checkup.findings if "did not answer within" in finding.what]
    assert hanging == ["CUDA", "TensorRT", "pycuda", "faiss", "CPU engine", "engine", "GStreamer", "video"]
    assert [check.name for check in checkup.failed] == ["CUDA", "TensorRT", "pycuda", "faiss"]


def test_the_page_has_a_line_a_finding_and_what_to_do_below_it(orin):
    findings = (ok("fine"), warn("so so", "mend it"), fail("broken", "buy another"))
    checkup = Checkup(orin.machine, tuple(zip(CHECKS[:3], findings, strict=True)))
    header, *lines = page(checkup).splitlines()
    assert header.startswith("NVIDIA Jetson Orin Nano")
    assert lines == [
        "ok    bundle      fine",
        "warn  JetPack     so so",
        "                  to do: mend it",
        "fail  CUDA        broken",
        "                  to do: buy another",
    ]


def test_the_doctor_on_this_machine(pigeon):
    found = pigeon("doctor", "--json")
    document = json.loads(found.stdout)
    assert (document["schema"], [told["name"] for told in document["findings"]]) == (
        "pigeon-edge/doctor@1",
        [check.name for check in CHECKS],
    )
    told = {finding["name"]: finding for finding in document["findings"]}
    assert told["bundle"]["what"].startswith("toy-planet@")
    assert told["faiss"]["status"] == told["CPU engine"]["status"] == "ok"
    assert "golden probes at a cosine of 0.9" in told["CPU engine"]["what"]
    assert found.returncode == (0 if all(line["status"] != "fail" for line in document["findings"]) else 6)


def test_the_doctor_finds_a_spoilt_bundle_and_exits_with_its_code(pigeon, own):
    (own.path / "MODEL_CARD.md").write_text("# evil\n")
    found = pigeon("doctor", "--bundle", own.path)
    assert found.returncode == 5
    assert "MODEL_CARD.md: checksum differs from the manifest's\n" in found.stdout
    assert "                  to do: copy the bundle again\n" in found.stdout
    assert found.stderr.startswith("pigeon-edge: failed: bundle, ")
    assert "Traceback" not in found.stdout + found.stderr


@pytest.mark.parametrize(
    ("probe", "module", "words"),
    [
        ("tensorrt", "tensorrt", "No module named 'tensorrt'"),
        ("pycuda", "pycuda", "expected an NVIDIA GPU, found none"),
        ("cuda", None, "libcuda.so.1: cannot open shared object file"),
    ],
)
def test_probes_of_what_is_not_installed_end_in_one_reason(probe, module, words):
    rtx = probe == "tensorrt" and importlib.util.find_spec("tensorrt_rtx_bindings")
    if rtx or (module and importlib.util.find_spec(module)) or (module is None and find_library("cuda")):
        pytest.skip(f"this machine has what the probe {probe} looks for")
    with pytest.raises(EngineError) as raised:
        Host(TOY_PLANET).probe(probe)
    assert words in str(raised.value)
    assert "Traceback" not in str(raised.value)


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
    host = _with(orin, python=Path(sys.executable))
    assert check_pycuda(host) == ok("pycuda 2026.1 sees Orin (8.7)")
    assert check_tensorrt(host) == ok("TensorRT 10.3.0")
    assert "no engine of graph" in check_engine(host).what
    graph = sha256_of(TOY_PLANET / "encoder.int8.onnx")
    key = EngineKey(graph, "tensorrt", "10.3.0", "Orin", "8.7", l4t_branch(), EngineOptions())
    trials = {EnginePrecision.INT8: Trial({1: Latency(4.9, 0.02)}, 0.998)}
    verdict = Verdict(EnginePrecision.INT8, "quicker", trials)
    jetson_libraries.store(dataclasses.replace(key, version="10.13.3"), b"plan", verdict)
    assert "built for tensorrt 10.13.3, this is tensorrt 10.3.0" in check_engine(host).what
    jetson_libraries.store(key, b"no plan", verdict)
    assert host.probe("engine", str(TOY_PLANET)) == {"precision": "int8", "reason": "quicker"}
    assert check_engine(host).status is Status.FAIL  # what is no plan cannot be run
