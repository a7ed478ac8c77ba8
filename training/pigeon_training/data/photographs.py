"""The photographs of a manifest, whether they are files or members of a shard."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from pigeon_edge.errors import InputError
from pigeon_edge.images import photograph
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_training.data.shards import member_of, open_shard


def read_pixels(path: Path, spec: PreprocessSpec) -> Pixels:
    """Return (size_px, size_px, 3) uint8 of a photograph. Raises InputError where it cannot be read or decoded."""
    if member_of(path):
        return photograph.decode_pixels(read_bytes(path), path, spec)
    return photograph.read_pixels(path, spec)


def read_rgb(path: Path) -> Image.Image:
    """Return a photograph upright, in RGB, at its full size. Raises InputError where it cannot be read or decoded."""
    if member_of(path):
        return photograph.decode_rgb(read_bytes(path), path)
    return photograph.read_rgb(path)


def read_bytes(path: Path) -> bytes:
    """Return a photograph as it is stored. Raises InputError where it cannot be read."""
    if member := member_of(path):
        return open_shard(member.shard).read(member.name)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a photograph, {error.strerror or error}") from error


def size_of(path: Path) -> int | None:
    """Return a photograph's size in bytes, None where there is none. Raises InputError where its shard is torn."""
    if member := member_of(path):
        return open_shard(member.shard).size_of(member.name)
    return path.stat().st_size if path.is_file() else None


def source_of(path: Path) -> Path | io.BytesIO:
    """Return what Pillow can open: the file, or the bytes of a member. Raises InputError as ``read_bytes``."""
    return io.BytesIO(read_bytes(path)) if member_of(path) else path
