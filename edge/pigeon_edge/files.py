"""Files that appear whole or not at all, and their checksums."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a fresh path beside ``target``; rename it over ``target`` on success, remove it on failure.

    What is written there may be a file or a folder. An old folder gives way only once the new one is whole.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        whole, replaced = scratch / "new" / target.name, scratch / "replaced"
        whole.parent.mkdir()
        yield whole
        if target.is_dir() and whole.exists():
            os.replace(target, replaced)
        os.replace(whole, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


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
