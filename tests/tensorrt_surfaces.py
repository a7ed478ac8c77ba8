"""Stand-ins for TensorRT's Python bindings that have exactly the names of one version, and record every call.

    trt = StandIn("10.3.0", {"Builder.build_serialized_network": lambda builder, network, config: b"plan"})
    TensorRt(trt.module, Flavour.TENSORRT, "10.3.0")
    trt.calls    [("Builder.create_network", (2,)), ...] in order; assignments are ("IBuilderConfig.NAME=", (value,))

Any other name raises AttributeError, as the real module does. What a method returns is what its table says (a fresh
stand-in of that class, True, 0, "" or None), unless ``behaviours`` has a function for "Class.method", or for "Class",
its constructor; it is called with the object and the arguments. A value for "Class.property" that is not callable is
what a property reads as until it is assigned. The tables are in ``tests/surfaces``; its README.md says how they were
read.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

TABLES = Path(__file__).parent / "surfaces"
FILES = {path.stem.rpartition("-")[2]: path for path in TABLES.glob("*.json")}
TENSORRT = ("10.3.0", "10.13.3.9", "10.16.1.11", "11.4.0.106")
RTX = "1.7.1.116"

Severity = enum.IntEnum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"], start=0)
_LOGGERS = ("ILogger", "Logger")
_SIMPLE = {"bool": True, "int": 0, "str": "", "Dims": ()}


class StandIn:
    """``module`` has the surface of one version; ``calls`` is what was done with it."""

    def __init__(self, version: str, behaviours: Mapping[str, Any] | None = None) -> None:
        table = json.loads(FILES[version].read_text(encoding="utf-8"))
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.behaviours = dict(behaviours or {})
        self.module = SimpleNamespace(__version__=table["version"])
        for name, members in table["enums"].items():
            setattr(self.module, name, _enumeration(name, members))
        for name, members in table["classes"].items():
            setattr(self.module, name, self._class(name, members))
        for name in table["functions"]:
            setattr(self.module, name, self.behaviours.get(name, lambda *arguments: None))

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """Return the arguments of every call of "Class.method", or of every assignment of "Class.property="."""
        return [arguments for called, arguments in self.calls if called == name]

    def _class(self, name: str, members: Mapping[str, str | None]) -> type:
        body: dict[str, Any] = {"__init__": self._constructor(name), "__setattr__": self._assigning(name, members)}
        for member, result in members.items():
            body[member] = self._property(f"{name}.{member}") if result is None else self._method(name, member, result)
        if name in _LOGGERS:
            body |= {"Severity": Severity, **Severity.__members__}
        return type(name, (), body)

    def _constructor(self, name: str) -> Callable[..., None]:
        def construct(this: Any, *arguments: Any) -> None:
            self.calls.append((name, arguments))
            if name in self.behaviours:
                self.behaviours[name](this, *arguments)

        return construct

    def _method(self, name: str, member: str, result: str) -> Callable[..., Any]:
        called = f"{name}.{member}"

        def method(this: Any, *arguments: Any) -> Any:
            self.calls.append((called, arguments))
            behaviour = self.behaviours.get(called)
            return behaviour(this, *arguments) if behaviour else self._default(result)

        return method

    def _property(self, called: str) -> property:
        return property(lambda this: this.__dict__.get(called, self.behaviours.get(called)))

    def _assigning(self, name: str, members: Mapping[str, str | None]) -> Callable[..., None]:
        def assign(this: Any, member: str, value: Any) -> None:
            called = f"{name}.{member}"
            if member in members and members[member] is None:
                self.calls.append((f"{called}=", (value,)))
                this.__dict__[called] = value
            elif type(this).__name__ == name and type(this) is getattr(self.module, name):
                raise AttributeError(f"{name!r} of {self.module.__version__} has no attribute {member!r} to assign")
            else:  # a class of Python's own, derived from it
                object.__setattr__(this, member, value)

        return assign

    def _default(self, result: str) -> Any:
        if result in _SIMPLE:
            return _SIMPLE[result]
        kind = getattr(self.module, result, None)
        return kind() if isinstance(kind, type) and not issubclass(kind, enum.Enum) else None


def _enumeration(name: str, members: list[str]) -> enum.EnumMeta:
    return enum.IntEnum(name, members, start=0)
