"""Machines to examine: trees of files, programs that are shell scripts, and a Python whose answers are made up."""

from __future__ import annotations

import shutil

import pytest
from tests.edge.doctor.hosts import HEALTHY
from tests.edge.machine_trees import orin_nano, write_program

from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.doctor.host import Host


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that is all of the PATH but the shell's own programs."""
    for name in ("sleep", "sh"):
        write_program(tmp_path / "bin", name, f'exec {shutil.which(name)} "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


@pytest.fixture
def fake_python(tmp_path):
    """Return a path to a Python whose answers are those of a shell script."""

    def write(script):
        return write_program(tmp_path / "fake", "python", script) / "python"

    return write


@pytest.fixture
def orin(tmp_path, fake_python):
    return Host(TOY_PLANET, orin_nano(tmp_path / "orin"), fake_python(HEALTHY))
