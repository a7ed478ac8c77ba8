"""Checksums once per copy: no file of a bundle reaches a reader before it is known to be whole.

What was verified is remembered by its place, inode, size and times, so that the next start reads nothing twice. A file
that was written to since is verified again.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from pigeon_edge.errors import BundleError
from pigeon_edge.files import sha256_of
from pigeon_edge.system.cache_folder import cache_folder


def verify_once(path: Path, sha256: str) -> None:
    """Raise BundleError where a file has another checksum than its manifest says; remember one that has not.

    Where nothing can be remembered, it is verified every time.
    """
    mark = cache_folder() / "verified" / _name(path, sha256)
    if mark.exists():
        return
    verify_file(path, sha256)
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def verify_file(path: Path, sha256: str) -> None:
    """Raise BundleError where a file has another checksum than its manifest says."""
    if sha256_of(path) != sha256:
        raise BundleError(f"{path}: checksum differs from the manifest's; copy the bundle again")


def _name(path: Path, sha256: str) -> str:
    status = path.stat()
    seen = (path.resolve(), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return hashlib.sha256(repr((*map(str, seen), sha256)).encode("utf-8", "backslashreplace")).hexdigest()
