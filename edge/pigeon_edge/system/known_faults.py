"""Versions of libraries that are known to misbehave, and what to do instead; each was tried."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class KnownFault:
    """What a package, as pip names it, does wrong in versions before ``fixed_in``."""

    package: str
    fixed_in: tuple[int, ...]
    fault: str
    remedy: str

    @property
    def sentence(self) -> str:
        """What the version that is installed does wrong."""
        return f"{self.package} {version(self.package)} {self.fault}"


KNOWN_FAULTS = (
    KnownFault(
        "pillow",
        (13,),
        "reads no uncompressed TIFF in YCbCr, and has holes in its TIFF decoder that 13 mends",
        "pip install 'pillow>=13', which needs Python 3.11; until then open no TIFF of strangers, and save such files "
        "with LZW compression",
    ),
    KnownFault(
        "faiss-cpu", (1, 14, 2), "reads a gallery into memory instead of mapping it", "pip install 'faiss-cpu>=1.14.2'"
    ),
)


def fault_of(package: str) -> KnownFault | None:
    """Return the known fault of a package in the version that is installed, None where it has none."""
    return next((fault for fault in KNOWN_FAULTS if fault.package == package and _is_here(fault)), None)


def _is_here(fault: KnownFault) -> bool:
    try:
        found = version(fault.package)
    except PackageNotFoundError:
        return False
    return tuple(int(number) for number in re.findall(r"\d+", found)[: len(fault.fixed_in)]) < fault.fixed_in
