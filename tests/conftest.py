"""Which tests share a worker where pytest runs in several: those of one file, and all that need the quick planet."""

from __future__ import annotations

import os
import tempfile

import pytest

CACHE = "PIGEON_EDGE_CACHE"


def pytest_configure(config: pytest.Config) -> None:
    """Keep what the tests make the runtime remember out of the developer's home; workers inherit the folder."""
    if CACHE not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="pigeon-edge-tests-")
        os.environ[CACHE] = folder.name
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(lambda: os.environ.pop(CACHE))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name the group of a test."""
    item.add_marker(pytest.mark.xdist_group(_group(item)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the planet's tests, which take longest."""
    items.sort(key=lambda item: _group(item) != "planet")


def _group(item: pytest.Item) -> str:
    return "planet" if "planet" in getattr(item, "fixturenames", ()) else item.path.name


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests had no photographs to run on: nobody reads through a list of skipped ones."""
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    missing = sum("../shared" in reason for reason in reasons)
    if missing:
        terminalreporter.write_line(
            f"{missing} tests did not run: they read real files in ../shared, which is not here"
        )
