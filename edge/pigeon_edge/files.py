"""Files that appear whole or not at all, and their checksums."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pigeon_edge.errors import UsageError

_LOCK = ".lock"
"""A file of a scratch folder that is locked as long as the program that made it lives."""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a fresh path beside a file; rename it over the file on success, remove it on failure.

    Raises UsageError where nothing can be written there, or ``target`` is a folder or a device.
    """
    _check_file(target)
    with _scratch_beside(target, "file") as scratch:
        whole = scratch / target.name
        yield whole
        os.replace(whole, target)


@contextmanager
def replacing_folder(target: Path, mark: str) -> Iterator[Path]:
    """Yield a fresh path beside a folder, for a folder that takes its place on success and is removed on failure.

    An old folder gives way only once the new one is whole, and only if it is empty or one of its kind, which has a file
    like ``mark``, a glob. Raises UsageError for any other, and where nothing can be written.
    """
    if target.exists() and not _gives_way(target, mark):
        raise UsageError(f"{target}: is there, and no folder with {mark} that could be replaced; name another folder")
    with _scratch_beside(target, "folder") as scratch:
        whole, replaced = scratch / "new" / target.name, scratch / "replaced"
        whole.parent.mkdir()
        yield whole
        _exchange(whole, target, replaced)


def check_files(outputs: Iterable[Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Refuse, before any work is done, what could not be written after it, or would be written over what is read.

    None stands for a file that was not asked for. Raises UsageError.
    """
    written = [path for path in outputs if path]
    named = Counter(path.resolve() for path in (*written, *inputs) if path)
    for path in written:
        if named[path.resolve()] > 1:
            raise UsageError(f"{path}: is to be written, and is another of the files too; name another")
        _check_file(path)
        check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Raise UsageError where a folder can neither be written to nor be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{folder}: cannot be written ({there} is no folder that takes files); name another")


def _check_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        what = "folder" if path.is_dir() else "device"
        raise UsageError(f"{path}: expected the name of a file to write, found a {what}; name another")


def _gives_way(folder: Path, mark: str) -> bool:
    return folder.is_dir() and (any(folder.glob(mark)) or not any(folder.iterdir()))


@contextmanager
def _scratch_beside(target: Path, noun: str) -> Iterator[Path]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(target)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        lock = _locked(scratch)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written ({error.strerror}); name another {noun}") from error
    with lock:
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _locked(scratch: Path) -> IO[str]:
    """Return the locked file of a scratch folder; where the file system has no locks, it gets none."""
    lock = (scratch / "lock").open("w")
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX)
        (scratch / "lock").rename(scratch / _LOCK)  # only once it is locked
    return lock


def _clear_abandoned(target: Path) -> None:
    """Remove scratch folders whose program was killed; put an old folder back that had just been moved away."""
    for lock in target.parent.glob(f".{glob.escape(target.name)}.*/{_LOCK}"):
        with contextlib.suppress(OSError), lock.open("w") as file:  # locked: its program lives
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            replaced = lock.parent / "replaced"
            if replaced.exists() and not target.exists():
                os.replace(replaced, target)
            shutil.rmtree(lock.parent, ignore_errors=True)


def _exchange(whole: Path, target: Path, replaced: Path) -> None:
    """Put a folder in the place of another; whatever ends this between the two renames, the old one is back."""
    if not whole.exists():
        raise FileNotFoundError(f"nothing was written to {whole}")
    try:
        if target.exists():
            os.replace(target, replaced)
        os.replace(whole, target)
    finally:
        if replaced.exists() and not target.exists():
            os.replace(replaced, target)


def to_json(document: Any) -> str:
    """Return a JSON document as text: indented, with a final newline."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def write_json(target: Path, document: Any) -> None:
    """Write a JSON document by rename."""
    with replacing(target) as scratch:
        scratch.write_text(to_json(document), encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
