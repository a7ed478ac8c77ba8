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
    told = _versions(">=", [line for group in groups for line in group])
    tested = _versions("==", (ROOT / "floors.txt").read_text(encoding="utf-8").splitlines())
    assert set(tested) == set(told)
    for name, floor in told.items():
        assert re.fullmatch(rf"{re.escape(floor)}(\.0)*", tested[name]), name


def _versions(sign, lines):
    """Return versions by package, and by the Python that they are for where that is stated."""
    found = [re.match(rf"([a-z-]+){sign}([0-9.]+)(?:; (python_version .*))?", line) for line in lines]
    return {(match[1], match[3]): match[2] for match in found if match}
