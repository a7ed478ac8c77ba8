"""What a geocell is called and how large it is; the regions that geocells are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.estimate import Place

NAMES_SHOWN = 3


@dataclass(frozen=True, order=True)
class Region:
    """One administrative region, of the finest level known there; names are empty where nobody gave them."""

    country_code: str
    country: str
    admin1: str = ""
    admin2: str = ""

    @property
    def nation(self) -> tuple[str, str]:
        """What no geocell crosses: countries of one code and two names stay apart."""
        return self.country_code, self.country


@dataclass(frozen=True)
class Geocell:
    """One class of the geocell head.

    ``id`` depends only on the regions and seeds that bound the cell. ``regions`` and ``districts`` are the first- and
    second-level names in which its training photographs lie, most photographs first; ``centroid_lat_lng`` (2,) is their
    spherical mean.
    """

    id: str
    country_code: str
    country: str
    regions: tuple[str, ...]
    districts: tuple[str, ...]
    size: int
    centroid_lat_lng: tuple[float, float]

    @property
    def place(self) -> Place:
        """The names of the cell; several regions are named together, the first three in full."""
        shown, rest = self.regions[:NAMES_SHOWN], len(self.regions) - NAMES_SHOWN
        return Place(self.country_code, self.country, " & ".join(shown) + (f" & {rest} more" if rest > 0 else ""))


def names_by_count(names: Sequence[str], counts: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """Return the names that are not empty, the largest count first, then by the alphabet."""
    total: dict[str, int] = {}
    for name, count in zip(names, counts.tolist(), strict=True):
        total[name] = total.get(name, 0) + count
    return tuple(sorted((name for name in total if name), key=lambda name: (-total[name], name)))
