"""The Koeppen-Geiger classes, and their numbers in rasters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CLIMATES = (
    "Af", "Am", "Aw", "BWh", "BWk", "BSh", "BSk", "Csa", "Csb", "Csc", "Cwa", "Cwb", "Cwc", "Cfa", "Cfb", "Cfc",
    "Dsa", "Dsb", "Dsc", "Dsd", "Dwa", "Dwb", "Dwc", "Dwd", "Dfa", "Dfb", "Dfc", "Dfd", "ET", "EF", "As",
)  # fmt: skip
"""Classes 1 to 30 of Beck et al. 2018, in the order of their GeoTIFF; As, which Kottek et al. 2006 have too, is 31."""

_NUMBER_OF = {code: number for number, code in enumerate(CLIMATES, start=1)}


def climate_number(code: str) -> float:
    """Return the number of a class; NaN for a code that is none."""
    return float(_NUMBER_OF.get(code, np.nan))


def climate_codes(numbers: npt.ArrayLike) -> list[str]:
    """Return the codes (N,) of numbers as a raster holds them; empty where there is no class (NaN, 0 for the sea)."""
    names: Sequence[str] = ("", *CLIMATES)
    whole = np.nan_to_num(np.asarray(numbers, np.float64)).astype(np.int64)
    return [names[number] if 0 < number < len(names) else "" for number in whole]
