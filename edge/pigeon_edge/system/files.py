"""Small files of the kernel, which may be absent or refuse to be read."""

from __future__ import annotations

from pathlib import Path

FILE_SYSTEM = Path("/")
"""The root below which a running machine tells of itself."""


def text_of(path: Path) -> str | None:
    """Return a file's text without what pads it, None where it is absent or cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\0\n ")
    except OSError:  # a sensor that is switched off refuses to be read
        return None


def number_of(path: Path) -> float | None:
    """Return the number in a file, None where there is none."""
    try:
        return float(text_of(path) or "")
    except ValueError:
        return None


def kilobytes_of(text: str) -> dict[str, int]:
    """Return bytes by name of the lines ``Name:   12 kB`` of /proc/meminfo and the like; other lines are left out."""
    lines = (line.split() for line in text.splitlines())
    return {name.rstrip(":"): int(count) * 1024 for name, count, unit in filter(_is_size, lines) if unit == "kB"}


def _is_size(words: list[str]) -> bool:
    return len(words) == 3 and words[0].endswith(":") and words[1].isdigit()
