"""What is no GPU: libraries, memory, cameras, GStreamer."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
from tests.edge.doctor.hosts import laptop_host
from tests.edge.machine_trees import laptop, meminfo, orin_nano, write_program, write_tree

from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.doctor.cameras import check_cameras
from pigeon_edge.doctor.finding import UNTRIED, Status, ok
from pigeon_edge.doctor.gstreamer import check_gstreamer
from pigeon_edge.doctor.host import Host, may_use
from pigeon_edge.doctor.libraries import check_faiss, check_video
from pigeon_edge.doctor.memory import check_cma, check_memory
from pigeon_edge.errors import EngineError, MissingToolError


def test_what_could_not_be_tried_is_told_without_a_cure_for_something_else(orin, fake_python):
    killed = check_faiss(replace(orin, python=fake_python("kill -KILL $$")))
    assert (killed.what, killed.remedy) == ("the process that tried it was killed by SIGKILL", UNTRIED)
    program = fake_python("exit 0")
    program.write_text("no program")
    unstarted = check_faiss(replace(orin, python=program))
    assert ("cannot be started" in unstarted.what, unstarted.remedy) == (True, UNTRIED)
    assert "pip" not in UNTRIED


def test_faiss_must_map_galleries_and_be_there(orin, fake_python):
    old = check_faiss(replace(orin, python=fake_python("""echo '{"version": "1.7.4", "maps": false}'""")))
    assert (old.what, old.error) == ("faiss 1.7.4 cannot map a gallery into memory", EngineError)
    absent = check_faiss(replace(orin, python=fake_python("echo \"No module named 'faiss'\" >&2; exit 8")))
    crashed = check_faiss(replace(orin, python=fake_python("kill -ILL $$")))
    assert (absent.what, absent.error) == ("No module named 'faiss'", MissingToolError)
    assert (crashed.what, crashed.error) == ("killed by SIGILL", EngineError)
    assert {finding.status for finding in (old, absent, crashed)} == {Status.FAIL}
    assert {finding.remedy for finding in (old, absent, crashed)} == {"pip install 'faiss-cpu>=1.14.2'"}


def test_video_is_for_a_jetson_and_else_an_extra(orin, tmp_path, fake_python):
    missing = fake_python("echo \"No module named 'av'\" >&2; exit 1")
    assert check_video(replace(orin, python=missing)).status is Status.WARN
    assert check_video(replace(laptop_host(tmp_path), python=missing)).status is Status.OK
    broken = fake_python("echo 'libavcodec.so: cannot open shared object file' >&2; exit 1")
    assert check_video(replace(laptop_host(tmp_path), python=broken)).status is Status.WARN


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
    finding = check_cameras(Host(TOY_PLANET, root, may_use=lambda device: device.name == "video1"))
    assert finding.status is Status.WARN
    assert finding.what == "/dev/video0, /dev/video1: this user may not use /dev/video0"
    assert finding.remedy.startswith(f"sudo usermod -aG {(root / 'dev/video0').group()} $USER")
    assert check_cameras(Host(TOY_PLANET, root, may_use=lambda _: True)) == ok("/dev/video0, /dev/video1")


def test_the_kernel_tells_who_may_use_a_camera(tmp_path, monkeypatch):
    device = write_tree(tmp_path, {"video0": ""}) / "video0"
    assert may_use(device)
    if os.geteuid():
        device.chmod(0o400)
        assert not may_use(device)  # reading alone is not enough
    monkeypatch.setattr("os.access", lambda path, mode: (path, mode) == (device, os.R_OK | os.W_OK))
    device.chmod(0)  # an access control list may say more than the mode
    assert may_use(device)


def test_without_a_camera_nothing_is_wrong(tmp_path):
    assert check_cameras(Host(TOY_PLANET, laptop(tmp_path))).status is Status.OK


def test_csi_cameras_need_their_daemon(tmp_path):
    root = write_tree(orin_nano(tmp_path), {"dev/video0": ""})
    assert "nvargus-daemon" in check_cameras(Host(TOY_PLANET, root)).remedy
    write_tree(root, {"tmp/argus_socket": ""})
    assert check_cameras(Host(TOY_PLANET, root)).status is Status.OK


def test_gstreamer_on_a_jetson_needs_nvidias_elements(orin, programs):
    assert "gst-launch-1.0 is not installed" in check_gstreamer(orin).what
    write_program(programs, "gst-launch-1.0", "echo 'GStreamer 1.24.2'")
    write_program(programs, "gst-inspect-1.0", '[ "$2" != nvarguscamerasrc ]')
    finding = check_gstreamer(orin)
    assert (finding.status, finding.what) == (Status.WARN, "GStreamer 1.24.2 without nvarguscamerasrc")
    write_program(programs, "gst-inspect-1.0", "sleep 60")
    finding = check_gstreamer(replace(orin, timeout_s=0.5))
    assert (finding.status, finding.what) == (Status.WARN, "gst-inspect-1.0 did not answer within 0.5 s")


def test_the_real_gstreamer_tells_its_version(orin):
    if shutil.which("gst-inspect-1.0") is None:
        pytest.skip("GStreamer is not installed")
    finding = check_gstreamer(orin)
    assert finding.what.startswith("GStreamer 1.")
    assert "nvarguscamerasrc" in finding.what
