"""PURE row -> caption: the synthetic captions on which a CLIP model is trained further.

The wording and the chances are facts of the published recipes: PIGEON and PIGEOTTO (Haas et al., CVPR 2024),
StreetCLIP (Haas et al. 2023, arXiv 2302.00275). What a row does not know is left out of its caption.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

import numpy as np

from pigeon_edge.answer.climates import CLIMATE_LABELS
from pigeon_edge.manifest import PhotoRow
from pigeon_training.data.geography.climate_names import climate_phrase

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
QUARTERS = ("north", "east", "south", "west")

_ARTICLE_NAMES = frozenset(
    {"Bahamas", "Comoros", "Congo", "Gambia", "Maldives", "Netherlands", "Philippines", "Seychelles", "Vatican"}
)
_ARTICLE_WORDS = frozenset(
    {"Emirates", "Federation", "Isle", "Islands", "Kingdom", "Republic", "States", "Territories", "Territory"}
)


class CaptionStyle(str, Enum):
    """Whose captions are written."""

    PIGEON = "pigeon"
    PIGEOTTO = "pigeotto"
    STREETCLIP = "streetclip"


@dataclass(frozen=True)
class CaptionFacts:
    """What a caption may say beyond the manifest row; empty where it is not known.

    ``climate`` is a Koeppen-Geiger class such as Cfb, ``driving_side`` is "left" or "right".
    """

    town: str = ""
    climate: str = ""
    driving_side: str = ""


NOTHING_MORE = CaptionFacts()


@dataclass(frozen=True)
class _Recipe:
    """The chance (0..1) that a part is kept. ``dropped`` is the location's of going where a climate is told."""

    opening: str
    town: float
    region: float
    climate: float
    driving: float
    heading: float
    month: float
    dropped: float
    short_climate: bool = False
    article: bool = True


_RECIPES = {
    CaptionStyle.PIGEON: _Recipe("A Street View photo", 0.4, 0.6, 0.4, 0.3, 0.3, 0.3, 0.3),
    CaptionStyle.PIGEOTTO: _Recipe("A photo I took", 1.0, 1.0, 0.45, 0.2, 0.0, 0.0, 0.2, short_climate=True),
    CaptionStyle.STREETCLIP: _Recipe("A Street View photo", 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, article=False),
}


def caption(row: PhotoRow, facts: CaptionFacts, style: CaptionStyle, seed: int, epoch: int) -> str:
    """Return the caption of a row, a function of its arguments alone (of the row: its names, not its folder).

    The location comes first, the other sentences in a random order. Where nothing is known or kept, the opening words
    are the caption.
    """
    recipe = _RECIPES[style]
    rng = _generator(row, seed, epoch)
    location, climate, driving, heading, month = (float(chance) for chance in rng.random(5))
    town, region = (float(chance) for chance in rng.random(2))
    told = _climate(facts, recipe) if climate < recipe.climate else ""
    side = facts.driving_side if not told and driving < recipe.driving else ""
    others = [
        told,
        f"In this location, people drive on the {side} side of the road." if side else "",
        _heading(row.heading_deg) if heading < recipe.heading else "",
        _month(row.month) if month < recipe.month else "",
    ]
    order = rng.permutation(len(others))
    kept = (facts.town if town < recipe.town else "", row.admin1 if region < recipe.region else "", row.country)
    first = "" if told and location < recipe.dropped else place_caption(*kept, style)
    sentences = [first, *(others[number] for number in order)]
    return " ".join(sentence for sentence in sentences if sentence)


def place_caption(town: str, region: str, country: str, style: CaptionStyle) -> str:
    """Return the sentence that names a place; an empty name is left out, and all of them without a country."""
    recipe = _RECIPES[style]
    if not country:
        return f"{recipe.opening}."
    near = f" close to the town of {town}" if town else ""
    within = f" in the region of {region}" if region else ""
    name = with_article(country) if recipe.article else country
    return f"{recipe.opening}{near}{within} in {name}."


def with_article(country: str) -> str:
    """Return the name of a country as it stands in a sentence: some take "the", by English usage."""
    bare = country.removeprefix("The ").removeprefix("the ")
    words = bare.split()
    takes = bare != country or bare in _ARTICLE_NAMES or words[0] == "United" or bool(_ARTICLE_WORDS & set(words))
    return f"the {bare}" if takes else bare


def quarter(heading_deg: float) -> str:
    """Return the quarter of the compass whose centre is nearest to a heading, clockwise from north."""
    return QUARTERS[int((heading_deg % 360 + 45) // 90) % 4]


def _climate(facts: CaptionFacts, recipe: _Recipe) -> str:
    if not facts.climate:
        return ""
    if recipe.short_climate:
        label = CLIMATE_LABELS[facts.climate]
        return f"This location has {'an' if label[0] in 'aeiou' else 'a'} {label} climate."
    return f"This location has {climate_phrase(facts.climate)}."


def _heading(heading_deg: float | None) -> str:
    return "" if heading_deg is None else f"This photo is facing {quarter(heading_deg)}."


def _month(month: int | None) -> str:
    return "" if month is None else f"The photo was taken in {MONTHS[month - 1]}."


def _generator(row: PhotoRow, seed: int, epoch: int) -> np.random.Generator:
    key = f"{seed}\n{epoch}\n{row.place_id}\n{row.path.name}".encode("utf-8", "surrogatepass")
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key).digest()[:8], "big"))
