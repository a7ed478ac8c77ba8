"""Settings as frozen dataclasses: read strictly, so that a misspelt key is an error and not a default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from pigeon_edge.errors import UsageError

SettingsT = TypeVar("SettingsT")


def read_settings(kind: type[SettingsT], document: Mapping[str, Any]) -> SettingsT:
    """Return the dataclass ``kind`` of a JSON object with exactly its keys. Raises UsageError on any other key."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if set(document) != names:
        raise UsageError(f"{kind.__name__}: expected the keys {sorted(names)}, found {sorted(document)}")
    return kind(**document)
