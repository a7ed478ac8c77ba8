"""Which tests share a worker where pytest runs in several: those of one file, and all that need the quick planet."""

from __future__ import annotations

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name the group of a test."""
    item.add_marker(pytest.mark.xdist_group(_group(item)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the planet's tests, which take longest."""
    items.sort(key=lambda item: _group(item) != "planet")


def _group(item: pytest.Item) -> str:
    return "planet" if "planet" in getattr(item, "fixturenames", ()) else item.path.name
