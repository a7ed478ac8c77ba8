"""Which versions of a library are known to misbehave."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from pigeon_edge.doctor.finding import Status
from pigeon_edge.doctor.libraries import check_faiss, check_pillow
from pigeon_edge.system.known_faults import KNOWN_FAULTS, fault_of


@pytest.fixture
def installed(monkeypatch):
    def tell(found):
        monkeypatch.setattr("pigeon_edge.system.known_faults.version", lambda package: found)

    return tell


@pytest.mark.parametrize(("package", "found", "faulty"), [
    ("pillow", "12.3.0", True), ("pillow", "13.0.0", False), ("pillow", "13.1.0.dev0", False),
    ("faiss-cpu", "1.13.2", True), ("faiss-cpu", "1.14.1", True), ("faiss-cpu", "1.14.2", False),
    ("faiss-cpu", "1.15", False), ("faiss-cpu", "2.0.0", False),
])  # fmt: skip
def test_versions_before_the_fix_have_the_fault(installed, package, found, faulty):
    installed(found)
    assert (fault_of(package) is not None) is faulty


def test_a_package_that_is_not_installed_or_has_no_known_fault_has_none(monkeypatch):
    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr("pigeon_edge.system.known_faults.version", missing)
    assert fault_of("pillow") is None
    assert fault_of("numpy") is None


class Answering:
    """A host whose libraries all load."""

    def probe(self, name):
        return {"version": "9.9", "maps": True}


@pytest.mark.parametrize("check", [check_pillow, check_faiss])
def test_doctor_warns_of_a_version_that_misbehaves_and_says_what_to_do(installed, check):
    installed("1.0")
    found = check(Answering())
    assert found.status is Status.WARN
    assert any(fault.fault in found.what and fault.remedy == found.remedy for fault in KNOWN_FAULTS)
    installed("99.0")
    assert check(Answering()).status is Status.OK
