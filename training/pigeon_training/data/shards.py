"""Photographs inside tar and zip files, read where they lie: nothing is unpacked.

A path with a file that ends in ``.tar`` or ``.zip`` in the place of a folder names a member of that shard:
``shards/00001.tar/abc.jpg``, ``images/00.zip/00/123.jpg``. The list of a shard's members is read once a process. Every
read opens the shard, takes the member's bytes and closes it: threads share no position in a file, and no more shards
are open than there are threads.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from pigeon_edge.errors import InputError
from pigeon_training.data.shard_formats import FORMATS, TORN, Entry

_LISTING = threading.Lock()


@dataclass(frozen=True)
class Member:
    """A photograph's shard, and its name in there."""

    shard: Path
    name: str


@dataclass(frozen=True, eq=False)
class Shard:
    """A tar or zip file and its M members: names (M,) as sorted bytes, entries (M, 5) int64.

    Arrays, for millions of members as Python's objects would take gigabytes.
    """

    path: Path
    names: npt.NDArray[np.bytes_]
    entries: npt.NDArray[np.int64]

    def members(self) -> Iterator[str]:
        """Yield the names of all members, sorted."""
        return (name.decode("utf-8", "surrogateescape") for name in self.names.tolist())

    def size_of(self, name: str) -> int | None:
        """Return the size of a member in bytes, unpacked; None where there is no such member."""
        entry = self._find(name)
        return entry.size if entry else None

    def read(self, name: str) -> bytes:
        """Return the bytes of a member. Raises InputError where it is not there, or torn."""
        entry = self._find(name)
        if entry is None:
            raise InputError(f"{self.path}/{name}: no such photograph among the {len(self.names)} files of the shard")
        try:
            with self.path.open("rb") as file:
                return FORMATS[self.path.suffix.lower()].read(file, entry)
        except TORN as error:
            raise InputError(f"{self.path}/{name}: cannot be read ({error}); fetch the shard again") from error

    def _find(self, name: str) -> Entry | None:
        key = name.encode("utf-8", "surrogateescape")
        if len(key) > self.names.itemsize:  # else numpy would copy all names to compare them with a longer one
            return None
        row = int(np.searchsorted(self.names, np.bytes_(key), side="right")) - 1  # the last of namesakes counts
        return Entry(*self.entries[row].tolist()) if row >= 0 and self.names[row] == key else None


def member_of(path: Path) -> Member | None:
    """Return the member of a shard that a path names, None for any other path."""
    for folder in reversed(path.parents):
        if folder.suffix.lower() in FORMATS and folder.is_file():
            return Member(folder, path.relative_to(folder).as_posix())
    return None


def open_shard(path: Path) -> Shard:
    """Return a shard with the list of its members. Raises InputError where it is torn, or not there."""
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: expected a .tar or .zip of photographs, {error.strerror}") from error
    with _LISTING:  # else every thread that waits for a shard would list it
        found = _listed(path, (state.st_size, state.st_mtime_ns))
    if isinstance(found, str):
        raise InputError(found)
    return found


def torn_shards(paths: Iterable[Path]) -> Counter[str]:
    """Return what is wrong with each shard whose members cannot be listed, and how many of the photographs it has."""
    torn: Counter[str] = Counter()
    for member in filter(None, map(member_of, paths)):
        try:
            open_shard(member.shard)
        except InputError as error:
            torn[str(error)] += 1
    return torn


@cache
def _listed(path: Path, _version: tuple[int, int]) -> Shard | str:
    """Return a shard of one size and time, or what is wrong with it.

    A torn one is thus not listed anew for each of its photographs; one that was replaced meanwhile is.
    """
    suffix = path.suffix.lower()
    try:
        listed = list(FORMATS[suffix].members(path))
    except TORN as error:
        return f"{path}: expected a whole {suffix} file of photographs, {error}; fetch the shard again"
    keys = [PurePosixPath(name).as_posix().encode("utf-8", "surrogateescape") for name, _ in listed]
    names = np.array(keys, np.bytes_)
    order = names.argsort(kind="stable")
    entries = np.array([entry for _, entry in listed], np.int64).reshape(-1, len(Entry._fields))
    return Shard(path, names[order], entries[order])
