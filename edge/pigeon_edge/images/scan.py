"""Finding photographs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pigeon_edge.errors import InputError
from pigeon_edge.images.kinds import SUFFIXES


@dataclass(frozen=True)
class Scan:
    """The photographs found, in order, and how many other files lay among them."""

    photographs: tuple[Path, ...]
    other_files: int


def scan(paths: Sequence[Path]) -> Scan:
    """Find photographs: files as named, folders recursively by suffix, sorted; hidden ones and links are left out.

    Raises InputError where a path does not exist, or where nothing was found at all.
    """
    found: list[Path] = []
    other_files = 0
    for path in paths:
        if path.is_dir():
            files = list(_files_below(path))
            photographs = [file for file in files if file.suffix.lower() in SUFFIXES]
            found += photographs
            other_files += len(files) - len(photographs)
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
    return Scan(tuple(dict.fromkeys(found)), other_files)


def _files_below(folder: Path) -> Iterable[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = (Path(parent, name) for name in sorted(names) if not name.startswith("."))
        yield from (file for file in files if file.is_file() and not file.is_symlink())
