"""The versions that ``make test-floors`` tests are the oldest that pyproject.toml allows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GROUPS = ("heic", "streams", "test-edge")


@pytest.mark.skipif(not (ROOT / "floors.txt").exists(), reason="only in a checkout")
def test_floors_are_those_of_the_project():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = (project["dependencies"], *(project["optional-dependencies"][name] for name in GROUPS))
    told = dict(
        found.groups() for group in groups for line in group if (found := re.match(r"([a-z-]+)>=([0-9.]+)", line))
    )
    tested = dict(
        re.findall(r"^([a-z-]+)==([0-9.]+)$", (ROOT / "floors.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(tested) == set(told)
    for name, floor in told.items():
        assert re.fullmatch(rf"{re.escape(floor)}(\.0)*", tested[name]), name
