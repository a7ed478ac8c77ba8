"""Where was this photograph taken? Answered on the device, offline, with an honest radius.

    from pigeon_edge import open_bundle, open_locator, read_pixels
    with open_locator(open_bundle("NAME.pigeon")) as locator:
        [estimate] = locator.locate(read_pixels("photo.jpg", locator.preprocess)[None])

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pigeon_edge.answer.estimate import Estimate
    from pigeon_edge.bundle.format import Bundle, open_bundle
    from pigeon_edge.errors import PigeonError
    from pigeon_edge.geodesy import LatLng
    from pigeon_edge.images.photograph import read_pixels
    from pigeon_edge.locator import Locator, open_locator

__version__ = "0.1.0"

_HOMES = {
    "Bundle": "bundle.format",
    "Estimate": "answer.estimate",
    "LatLng": "geodesy",
    "Locator": "locator",
    "PigeonError": "errors",
    "open_bundle": "bundle.format",
    "open_locator": "locator",
    "read_pixels": "images.photograph",
}

__all__ = [
    "Bundle",
    "Estimate",
    "LatLng",
    "Locator",
    "PigeonError",
    "__version__",
    "open_bundle",
    "open_locator",
    "read_pixels",
]


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pigeon_edge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pigeon_edge.{_HOMES[name]}"), name)
