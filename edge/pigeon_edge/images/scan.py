"""Finding photographs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pigeon_edge.errors import InputError
from pigeon_edge.images.kinds import SUFFIXES

MOST_NAMED = 10
"""As many files that were left out are named one by one."""


@dataclass(frozen=True)
class Scan:
    """The photographs found, in order; how many other files lay among them; and what was left out, with the reason."""

    photographs: tuple[Path, ...]
    other_files: int
    left_out: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """Return lines that tell a person what was not taken; none where all was."""
        others = (
            [f"left out {self.other_files} files that are no photographs by their names"] if self.other_files else []
        )
        more = len(self.left_out) - MOST_NAMED
        return [*others, *self.left_out[:MOST_NAMED], *([f"left out {more} more of that kind"] if more > 0 else [])]


def scan(paths: Sequence[Path]) -> Scan:
    """Find photographs: files as named, folders recursively by suffix, sorted; hidden ones are left out.

    Links to files are followed, each file is taken once. Links to folders, links to nothing, devices and pipes are left
    out, which is told of those that look like photographs.
    Raises InputError where a path does not exist, or where nothing was found at all.
    """
    found: list[Path] = []
    left_out: list[str] = []
    other_files = 0
    for path in paths:
        if path.is_dir():
            entries = list(_entries_below(path))
            files = [entry for entry in entries if entry.is_file()]
            photographs = [file for file in files if file.suffix.lower() in SUFFIXES]
            found += photographs
            other_files += len(files) - len(photographs)
            left_out += [f"left out {entry}: {_reason(entry)}" for entry in entries if _is_missed(entry)]
        elif path.is_file():
            found.append(path)
        elif path.exists():
            raise InputError(f"{path}: expected a file or a folder, found a device or pipe; save it to a file first")
        else:
            raise InputError(f"{path}: no such file or folder")
    if not found:
        names = ", ".join(str(path) for path in paths)
        raise InputError(
            f"{names}: expected photographs, found none; their names end in .jpg, .png, .tif, .heic or the like"
        )
    return Scan(_each_file_once(found), other_files, tuple(left_out))


def _each_file_once(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return paths without repetition; of a file and links to it, the file, else the first link."""
    named = tuple(dict.fromkeys(paths))
    seen = {path.absolute() for path in named if not path.is_symlink()}
    kept = []
    for path in named:
        if path.is_symlink():
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
        kept.append(path)
    return tuple(kept)


def _is_missed(entry: Path) -> bool:
    """Tell what is no file, and may have been meant."""
    return not entry.is_file() and (entry.suffix.lower() in SUFFIXES or entry.is_dir())


def _reason(entry: Path) -> str:
    if entry.is_dir():
        return "a link to a folder; name the folder itself" if entry.is_symlink() else "a folder"
    return "a link to nothing" if entry.is_symlink() and not entry.exists() else "a device or pipe"


def _entries_below(folder: Path) -> Iterable[Path]:
    """Yield what is in a folder and those below it, but for folders that are no links."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        yield from (Path(parent, name) for name in sorted([*names, *linked]) if not name.startswith("."))
