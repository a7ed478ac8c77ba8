"""The workflow for hosts calls what the Makefile has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (ROOT / ".github").is_dir(), reason="only in a checkout")
def test_workflow_runs_targets_of_the_makefile_on_both_architectures():
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["everything"]["strategy"]["matrix"] == {
        "runner": ["ubuntu-24.04", "ubuntu-24.04-arm"], "python": ["3.10", "3.13"]
    }  # fmt: skip
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = [step["run"].split()[:2] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert called
    assert all(program == "make" and target in targets for program, target in called)
