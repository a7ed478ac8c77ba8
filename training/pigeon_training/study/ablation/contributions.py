"""The rows of the ablation, in the order of PIGEON's poster, and what was published for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Tower(str, Enum):
    """Whose embeddings a row stands on."""

    BASE = "base"
    """Trained on descriptions of what is to be seen, and frozen: the part of OpenAI's CLIP."""
    LAST_BLOCK = "last block"
    """The base with its last block trained along with the heads."""
    CONTRASTIVE = "contrastive"
    """The base trained further on PIGEON's captions, and frozen."""
    LONGER = "longer base"
    """The base trained further on descriptions for as many steps: what the captions' own share is told from."""


class Cells(str, Enum):
    """Which geocells are the classes."""

    RECTANGLES = "rectangles"
    SEMANTIC = "semantic"


class Answer(str, Enum):
    """How an answer is made of a posterior over cells."""

    CENTROID = "centroid"
    PAPER = "refinement"
    GATED = "gated refinement"


@dataclass(frozen=True)
class Published:
    """Country and distances of 5,000 Street View locations (Haas et al., CVPR 2024, table 2, and its poster)."""

    country_percent: float
    mean_km: float
    median_km: float
    score: float
    percent_within_km: tuple[float, float, float, float, float]


@dataclass(frozen=True)
class Contribution:
    """A row: everything that holds for it. It is told apart from the row ``against``, which differs by its name."""

    name: str
    published: Published | None
    against: str | None = None
    tower: Tower = Tower.BASE
    smoothed: bool = False
    panorama: bool = False
    multi_task: bool = False
    cells: Cells = Cells.RECTANGLES
    answer: Answer = Answer.CENTROID


def contributions() -> tuple[Contribution, ...]:
    """Return the poster's eight rows, each the one before with something more, and two of our own.

    Ours are our refinement in place of the published one, and a control of the contrastive row: descriptions alone.
    The published contrastive row has its last block trained as well; the full model has it frozen, as here.
    """
    base = Contribution("base", Published(72.12, 990.0, 148.0, 3890, (1.28, 24.08, 55.38, 80.20, 92.00)))
    smoothed = replace(
        base, name="+ label smoothing", against=base.name, smoothed=True,
        published=Published(74.74, 877.4, 131.1, 3986, (0.92, 24.18, 59.04, 82.84, 92.76)),
    )  # fmt: skip
    panorama = replace(
        smoothed, name="+ four-image panorama", against=smoothed.name, panorama=True,
        published=Published(87.64, 315.7, 60.81, 4442, (1.10, 32.50, 75.32, 92.92, 98.00)),
    )  # fmt: skip
    last_block = replace(
        panorama, name="+ last layer", against=panorama.name, tower=Tower.LAST_BLOCK,
        published=Published(87.90, 312.7, 61.81, 4442, (1.10, 32.74, 75.14, 93.00, 97.98)),
    )  # fmt: skip
    multi_task = replace(
        last_block, name="+ multi-task", against=last_block.name, multi_task=True,
        published=Published(87.96, 299.9, 60.63, 4454, (1.18, 33.22, 75.42, 93.42, 98.16)),
    )  # fmt: skip
    semantic = replace(
        multi_task, name="+ semantic cells", against=multi_task.name, cells=Cells.SEMANTIC,
        published=Published(89.36, 316.9, 55.51, 4464, (1.24, 34.54, 76.36, 93.36, 97.94)),
    )  # fmt: skip
    contrastive = replace(
        semantic, name="+ contrastive", against=semantic.name, tower=Tower.CONTRASTIVE,
        published=Published(91.14, 251.9, 50.01, 4522, (1.32, 34.96, 78.48, 94.82, 98.48)),
    )  # fmt: skip
    refined = replace(
        contrastive, name="+ refinement", against=contrastive.name, answer=Answer.PAPER,
        published=Published(91.96, 251.6, 44.35, 4525, (5.36, 40.36, 78.28, 94.52, 98.56)),
    )  # fmt: skip
    ours = replace(refined, name="our refinement instead", against=refined.name, answer=Answer.GATED, published=None)
    control = replace(
        contrastive,
        name="descriptions instead of captions",
        against=contrastive.name,
        tower=Tower.LONGER,
        published=None,
    )
    return (base, smoothed, panorama, last_block, multi_task, semantic, contrastive, refined, ours, control)
