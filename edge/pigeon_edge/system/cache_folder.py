"""Where what can be made anew is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return $PIGEON_EDGE_CACHE, else $XDG_CACHE_HOME/pigeon-edge, else ~/.cache/pigeon-edge."""
    if own := environment.get("PIGEON_EDGE_CACHE"):
        return Path(own)
    home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "pigeon-edge"
