"""Durations as people type them."""

from __future__ import annotations

import re

from pigeon_edge.errors import UsageError

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def seconds_of(text: str) -> float:
    """Return the seconds of "90", "90s", "30m" or "2h". Raises UsageError for anything else, and for none at all."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip(), re.ASCII)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"--duration: expected a time such as 90, 90s, 30m or 2h, found {text!r}")
    return seconds
