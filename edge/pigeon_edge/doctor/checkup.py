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
from pigeon_edge.doctor.libraries import check_faiss, check_video
from pigeon_edge.doctor.memory import check_cma, check_memory
from pigeon_edge.doctor.tensorrt import check_tensorrt
from pigeon_edge.errors import BundleError, EngineError, MissingToolError, PigeonError
from pigeon_edge.system.machine import Machine

SCHEMA = "pigeon-edge/doctor@1"


@dataclass(frozen=True)
class Check:
    """A line of the page, how it comes about, and the error that it is where it fails."""

    name: str
    find: Callable[[Host], Finding]
    error: type[PigeonError]


CHECKS = (
    Check("bundle", check_bundle, BundleError),
    Check("JetPack", check_jetpack, EngineError),
    Check("CUDA", check_cuda, EngineError),
    Check("TensorRT", check_tensorrt, EngineError),
    Check("pycuda", check_pycuda, EngineError),
    Check("faiss", check_faiss, MissingToolError),
    Check("CPU engine", check_cpu_engine, EngineError),
    Check("engine", check_engine, EngineError),
    Check("memory", check_memory, EngineError),
    Check("CMA", check_cma, EngineError),
    Check("GStreamer", check_gstreamer, MissingToolError),
    Check("video", check_video, MissingToolError),
    Check("cameras", check_cameras, MissingToolError),
)


@dataclass(frozen=True)
class Checkup:
    """The machine, and what each of ``CHECKS`` found, in their order."""

    machine: Machine
    findings: tuple[tuple[Check, Finding], ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check, finding in self.findings if finding.status is Status.FAIL)

    def to_json(self) -> dict[str, Any]:
        """Return the document: ``schema``, ``version``, ``machine`` and its fields, and ``findings``.

        A finding is {"name", "status": "ok", "warn" or "fail", "what", "remedy": empty where nothing is to do}.
        """
        return {
            "schema": SCHEMA,
            "version": __version__,
            "machine": asdict(self.machine),
            "findings": [{"name": check.name, **asdict(finding)} for check, finding in self.findings],
        }


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
