"""Invented, pronounceable and distinct names, each country with a flavour of its own."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np

_ONSETS = (
    "b", "br", "d", "dr", "f", "g", "gr", "h", "j", "k", "kl", "l", "m", "n", "p",
    "pr", "r", "s", "sh", "st", "t", "th", "tr", "v", "vl", "z", "zh",
)  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ae", "ei", "ia", "oa", "y")
_CODAS = ("", "", "l", "n", "r", "s", "m", "th", "k", "nd", "rn", "sk")
_ENDINGS = ("ia", "mark", "stan", "ova", "esh", "ond", "une", "aar", "elle", "ith", "oro", "uy")
_SUNG = "aeiouy"
_PLACES = ("by", "ton", "grad", "mir", "polis", "hafn", "dor", "wick", "ana", "eim", "os", "ula")

COUNTRY_CODES = tuple(f"X{c}" for c in string.ascii_uppercase if c != "K") + tuple(
    f"Q{c}" for c in string.ascii_uppercase[12:]
)
"""Codes that ISO 3166-1 leaves to its users, without XK, which is in wide use."""


@dataclass(frozen=True)
class Flavour:
    """The sounds of one language."""

    onsets: tuple[str, ...]
    vowels: tuple[str, ...]
    codas: tuple[str, ...]
    endings: tuple[str, ...]


def make_flavour(rng: np.random.Generator) -> Flavour:
    """Return a random language."""
    return Flavour(*(_some(rng, *part) for part in ((_ONSETS, 8), (_VOWELS, 4), (_CODAS, 4), (_PLACES, 3))))


def _some(rng: np.random.Generator, parts: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(str(part) for part in rng.choice(list(parts), count, replace=False))


def fresh_name(rng: np.random.Generator, flavour: Flavour, endings: tuple[str, ...], taken: set[str]) -> str:
    """Return a name not yet taken and add it to those taken."""
    while True:
        stem = "".join(_syllable(rng, flavour) for _ in range(2))
        ending = str(rng.choice(endings))
        name = ((stem.rstrip(_SUNG) if ending[:1] in _SUNG else stem) + ending).capitalize()
        if 5 <= len(name) <= 12 and name not in taken:
            taken.add(name)
            return name


def _syllable(rng: np.random.Generator, flavour: Flavour) -> str:
    onset, vowel, coda = (part[rng.integers(len(part))] for part in (flavour.onsets, flavour.vowels, flavour.codas))
    return onset + vowel + (coda if rng.random() < 0.4 else "")


def country_name(rng: np.random.Generator, flavour: Flavour, taken: set[str]) -> str:
    """Return a fresh name for a country."""
    return fresh_name(rng, flavour, _ENDINGS, taken)


def region_name(rng: np.random.Generator, flavour: Flavour, taken: set[str]) -> str:
    """Return a fresh name for a region."""
    return fresh_name(rng, flavour, ("ar", "a", "en", "or"), taken)


def town_name(rng: np.random.Generator, flavour: Flavour, taken: set[str]) -> str:
    """Return a fresh name for a town."""
    return fresh_name(rng, flavour, flavour.endings, taken)
