"""How members lie in tar and zip files: the list of them, and the bytes of one."""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

TORN = (
    OSError, EOFError, ValueError, NotImplementedError, struct.error, zlib.error, tarfile.TarError, zipfile.BadZipFile,
)  # fmt: skip
"""What a torn shard makes its readers raise."""

_ENCRYPTED = 99
_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""What precedes a zip's member: signature, and the lengths of the name and extra field that follow (APPNOTE 4.3.7)."""


class Entry(NamedTuple):
    """Where a member begins (in a zip: its local header), its bytes in the shard, and unpacked.

    ``method`` and ``crc`` are a zip's compression method and checksum; 0 in a tar.
    """

    begin: int
    packed: int
    size: int
    method: int = 0
    crc: int = 0


@dataclass(frozen=True)
class ShardFormat:
    """``members`` lists names and entries of a file, ``read`` gives the bytes of one; both raise one of ``TORN``."""

    members: Callable[[Path], Iterator[tuple[str, Entry]]]
    read: Callable[[BinaryIO, Entry], bytes]


def _tar_members(path: Path) -> Iterator[tuple[str, Entry]]:
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isfile() and not member.issparse():
                yield member.name, Entry(member.offset_data, member.size, member.size)
        end = archive.offset
    with path.open("rb") as file:
        file.seek(end)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):  # tarfile takes a header that it cannot read for the end
            raise tarfile.ReadError(f"no header of a member at byte {end}")


def _zip_members(path: Path) -> Iterator[tuple[str, Entry]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                method = _ENCRYPTED if info.flag_bits & 1 else info.compress_type
                yield info.filename, Entry(info.header_offset, info.compress_size, info.file_size, method, info.CRC)


def _read_tar(file: BinaryIO, entry: Entry) -> bytes:
    return _at(file, entry.begin, entry.size)


def _read_zip(file: BinaryIO, entry: Entry) -> bytes:
    if entry.method not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise NotImplementedError(f"packed by method {entry.method}, expected stored or deflated and not encrypted")
    signature, name, extra = _LOCAL_HEADER.unpack(_at(file, entry.begin, _LOCAL_HEADER.size))
    if signature != b"PK\3\4":
        raise zipfile.BadZipFile(f"no header of a member at byte {entry.begin}")
    content = _at(file, entry.begin + _LOCAL_HEADER.size + name + extra, entry.packed)
    if entry.method == zipfile.ZIP_DEFLATED:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, entry.size + 1)
    if len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise zipfile.BadZipFile("its bytes do not have its checksum")
    return content


def _at(file: BinaryIO, begin: int, count: int) -> bytes:
    file.seek(begin)
    content = file.read(count)
    if len(content) < count:
        raise EOFError(f"expected {count} bytes at byte {begin}, found {len(content)}")
    return content


FORMATS = {".tar": ShardFormat(_tar_members, _read_tar), ".zip": ShardFormat(_zip_members, _read_zip)}
"""By the ending of a shard's name."""
