"""All checks, side by side, and what they found."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from pigeon_edge import __version__
from pigeon_edge.doctor.bundle import check_bundle
from pigeon_edge.doctor.cameras import check_cameras
from pigeon_edge.doctor.cuda import check_cuda, check_pycuda
from pigeon_edge.doctor.engines import check_cpu_engine, check_engine
from pigeon_edge.doctor.finding import Finding, Status, fail
from pigeon_edge.doctor.gstreamer import check_gstreamer
from pigeon_edge.doctor.host import Host
from pigeon_edge.doctor.jetpack import check_jetpack
from pigeon_edge.doctor.libraries import check_faiss, check_pillow, check_video
from pigeon_edge.doctor.memory import check_cma, check_memory
from pigeon_edge.doctor.tensorrt import check_tensorrt
from pigeon_edge.system.machine import Machine

SCHEMA = "pigeon-edge/doctor@1"


@dataclass(frozen=True)
class Check:
    """A line of the page, and how it comes about."""

    name: str
    find: Callable[[Host], Finding]


CHECKS = (
    Check("bundle", check_bundle),
    Check("JetPack", check_jetpack),
    Check("CUDA", check_cuda),
    Check("TensorRT", check_tensorrt),
    Check("pycuda", check_pycuda),
    Check("faiss", check_faiss),
    Check("Pillow", check_pillow),
    Check("CPU engine", check_cpu_engine),
    Check("engine", check_engine),
    Check("memory", check_memory),
    Check("CMA", check_cma),
    Check("GStreamer", check_gstreamer),
    Check("video", check_video),
    Check("cameras", check_cameras),
)


@dataclass(frozen=True)
class Checkup:
    """The machine, and what each of ``CHECKS`` found, in their order."""

    machine: Machine
    findings: tuple[tuple[Check, Finding], ...]

    @property
    def failed(self) -> tuple[tuple[Check, Finding], ...]:
        """The checks that failed, and what each found."""
        return tuple((check, finding) for check, finding in self.findings if finding.status is Status.FAIL)

    def to_json(self) -> dict[str, Any]:
        """Return the document: ``schema``, ``version``, ``machine`` and its fields, and ``findings``.

        A finding is {"name", "status": "ok", "warn" or "fail", "what", "remedy": empty where nothing is to do}.
        """
        return {
            "schema": SCHEMA,
            "version": __version__,
            "machine": asdict(self.machine),
            "findings": [_to_json(check, finding) for check, finding in self.findings],
        }


def _to_json(check: Check, finding: Finding) -> dict[str, str]:
    told = {"status": finding.status.value, "what": finding.what, "remedy": finding.remedy}
    return {"name": check.name, **told}


def examine(host: Host) -> Checkup:
    """Run all checks, side by side: none waits for another that hangs."""
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        findings = pool.map(lambda check: _finding(check, host), CHECKS)
        return Checkup(host.machine, tuple(zip(CHECKS, findings, strict=True)))


def _finding(check: Check, host: Host) -> Finding:
    try:
        return check.find(host)
    except Exception as error:  # a check that breaks must not hide what the others found
        return fail(f"the check itself broke: {error!r}", "report it, with the output of pigeon-edge doctor --json")
