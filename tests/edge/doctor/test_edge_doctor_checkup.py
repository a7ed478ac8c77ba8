"""Whole check-ups: the page, the JSON and the exit code."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace

import pytest
from tests.edge.doctor.hosts import laptop_host
from tests.edge.machine_trees import write_program, write_tree

from pigeon_edge.doctor.checkup import CHECKS, Check, Checkup, _finding, examine
from pigeon_edge.doctor.cuda import check_cuda, check_pycuda
from pigeon_edge.doctor.engines import check_engine
from pigeon_edge.doctor.finding import Status, fail, ok, warn
from pigeon_edge.doctor.gstreamer import check_gstreamer
from pigeon_edge.doctor.jetpack import check_jetpack
from pigeon_edge.doctor.memory import check_cma
from pigeon_edge.doctor.page import page
from pigeon_edge.doctor.tensorrt import check_tensorrt


def test_a_laptop_without_a_gpu_needs_nothing_of_nvidia(tmp_path, programs):
    host = laptop_host(tmp_path)
    checks = (check_jetpack, check_cuda, check_tensorrt, check_pycuda, check_engine, check_cma, check_gstreamer)
    for check in checks:
        finding = check(host)
        assert (finding.status, finding.remedy) == (Status.OK, "")
        assert finding.what.startswith("not needed: ")


def test_a_healthy_orin_nano(orin, programs, monkeypatch):
    monkeypatch.setattr("pigeon_edge.doctor.libraries.fault_of", lambda package: None)  # of what is installed here
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


def test_a_check_that_breaks_is_a_line_that_fails(tmp_path):
    def breaks(_host):
        raise ZeroDivisionError("by nought")

    finding = _finding(Check("odd", breaks), laptop_host(tmp_path))
    assert (finding.status, finding.what) == (Status.FAIL, "the check itself broke: ZeroDivisionError('by nought')")


def test_what_hangs_is_given_up_and_the_rest_is_told(orin, fake_python, programs):
    for name in ("gst-launch-1.0", "dpkg-query"):
        write_program(programs, name, "sleep 60")
    checkup = examine(replace(orin, python=fake_python("sleep 60"), timeout_s=0.5, self_test_s=1.0))
    hanging = [check.name for check, finding in checkup.findings if "did not answer within" in finding.what]
    assert hanging == ["CUDA", "TensorRT", "pycuda", "faiss", "Pillow", "CPU engine", "engine", "GStreamer", "video"]
    assert [check.name for check, _ in checkup.failed] == ["CUDA", "TensorRT", "pycuda", "faiss", "Pillow"]


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
    assert re.match(
        r"(OpenVINO|ONNX Runtime) \d[\d.]+ gives the golden probes at a cosine of (0\.999|1\.000)",
        told["CPU engine"]["what"],
    )
    assert {frozenset(line) for line in document["findings"]} == {frozenset({"name", "status", "what", "remedy"})}
    failed = any(line["status"] == "fail" for line in document["findings"])
    assert found.returncode in ({6, 8} if failed else {0})


def test_the_doctor_finds_a_spoilt_bundle_and_exits_with_its_code(pigeon, own):
    (own.path / "MODEL_CARD.md").write_text("# evil\n")
    found = pigeon("doctor", "--bundle", own.path)
    assert found.returncode == 5
    assert "MODEL_CARD.md: checksum differs from the manifest's\n" in found.stdout
    assert "                  to do: copy the bundle again\n" in found.stdout
    assert found.stderr.startswith("pigeon-edge: failed: bundle, ")
    assert "Traceback" not in found.stdout + found.stderr


@pytest.mark.parametrize(
    ("library", "code", "words"),
    [
        ("raise ModuleNotFoundError(\"No module named 'faiss'\")", 8, "fail  faiss       No module named 'faiss'"),
        ("import os; os.abort()", 6, "fail  faiss       killed by SIGABRT"),
    ],
    ids=["not installed", "crashes"],
)
def test_the_exit_code_is_8_for_what_is_not_installed_and_6_for_what_crashes(pigeon, tmp_path, library, code, words):
    folder = write_tree(tmp_path / "libraries", {"faiss.py": library})
    found = pigeon("doctor", PYTHONPATH=os.pathsep.join([str(folder), *sys.path]))
    assert (found.returncode, words in found.stdout) == (code, True), found.stdout
    assert found.stderr.splitlines()[-1].startswith("pigeon-edge: failed: faiss")
