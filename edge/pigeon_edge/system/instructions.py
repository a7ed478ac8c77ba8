"""What the processor multiplies in, as Linux tells it; macOS and Windows tell nothing here."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pigeon_edge.system.files import FILE_SYSTEM, text_of

INT8_INSTRUCTIONS = ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "asimddp", "avx2")
"""Flags of /proc/cpuinfo, the quickest first: tiles, then sums of four products in 32 bits, then AVX2's in 16 bits."""

BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")
"""Flags of processors that multiply in bfloat16; elsewhere it costs four times what float32 does."""


SUMS_IN_32_BITS = ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "asimddp")
"""Instructions that add int8 products in 32 bits, so that no sum saturates."""


def int8_instructions(root: Path = FILE_SYSTEM) -> str | None:
    """Return the quickest of ``INT8_INSTRUCTIONS`` that the processor has, None where it is not known to have any."""
    return _first(INT8_INSTRUCTIONS, root)


def bfloat16_instructions(root: Path = FILE_SYSTEM) -> str | None:
    """Return the quickest of ``BFLOAT16_INSTRUCTIONS`` that the processor has, None where it has none."""
    return _first(BFLOAT16_INSTRUCTIONS, root)


def _first(names: tuple[str, ...], root: Path) -> str | None:
    flags = _flags(root)
    return next((name for name in names if name in flags), None)


@cache  # every step of a training asks
def _flags(root: Path) -> set[str]:
    """Return the flags of the first processor: "flags" on x86-64, "Features" on ARM."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text_of(root / "proc/cpuinfo") or "", re.MULTILINE)
    return set(found[1].split()) if found else set()
