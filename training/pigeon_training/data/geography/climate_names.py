"""The Koeppen-Geiger classes in words, for captions."""

from __future__ import annotations

_GROUPS = {"A": "a tropical", "B": "an arid", "C": "a temperate", "D": "a cold", "E": "a polar"}
_SECOND = {
    "Af": "rainforest", "Am": "monsoon", "Aw": "savannah", "As": "savannah", "BW": "desert", "BS": "steppe",
    "s": "with dry summers", "w": "with dry winters", "f": "without a dry season", "ET": "tundra", "EF": "frost",
}  # fmt: skip
_THIRD = {"a": "hot summers", "b": "warm summers", "c": "cold summers", "d": "very cold winters"}
_HEAT = {"h": "hot", "k": "cold"}


def climate_phrase(code: str) -> str:
    """Return a class in the words of the classification (Beck et al. 2018), as they stand after "This location has"."""
    group, second = _GROUPS[code[0]], code[:2]
    if code[0] in "AE":
        return f"{group} {_SECOND[second]} climate"
    if code[0] == "B":
        return f"{group} and {_HEAT[code[2]]} {_SECOND[second]} climate"
    return f"{group} climate {_SECOND[code[1]]} and with {_THIRD[code[2]]}"
