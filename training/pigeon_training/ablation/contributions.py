"""The rows of the ablation, in the order of PIGEON's poster, and what was published for them."""

from __future__ import annotations

from dataclasses import dataclass
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
    """A row: everything that holds for it. It differs by what its name says from the row that it is held ``against``."""

    name: str
    tower: Tower
    smoothed: bool
    panorama: bool
    multi_task: bool
    cells: Cells
    answer: Answer
    against: str | None
    published: Published | None


CONTRIBUTIONS = (
    Contribution(
        "base", Tower.BASE, False, False, False, Cells.RECTANGLES, Answer.CENTROID, None,
        Published(72.12, 990.0, 148.0, 3890, (1.28, 24.08, 55.38, 80.20, 92.00)),
    ),
    Contribution(
        "+ label smoothing", Tower.BASE, True, False, False, Cells.RECTANGLES, Answer.CENTROID, "base",
        Published(74.74, 877.4, 131.1, 3986, (0.92, 24.18, 59.04, 82.84, 92.76)),
    ),
    Contribution(
        "+ four-image panorama", Tower.BASE, True, True, False, Cells.RECTANGLES, Answer.CENTROID, "+ label smoothing",
        Published(87.64, 315.7, 60.81, 4442, (1.10, 32.50, 75.32, 92.92, 98.00)),
    ),
    Contribution(
        "+ last layer", Tower.LAST_BLOCK, True, True, False, Cells.RECTANGLES, Answer.CENTROID, "+ four-image panorama",
        Published(87.90, 312.7, 61.81, 4442, (1.10, 32.74, 75.14, 93.00, 97.98)),
    ),
    Contribution(
        "+ multi-task", Tower.LAST_BLOCK, True, True, True, Cells.RECTANGLES, Answer.CENTROID, "+ last layer",
        Published(87.96, 299.9, 60.63, 4454, (1.18, 33.22, 75.42, 93.42, 98.16)),
    ),
    Contribution(
        "+ semantic cells", Tower.LAST_BLOCK, True, True, True, Cells.SEMANTIC, Answer.CENTROID, "+ multi-task",
        Published(89.36, 316.9, 55.51, 4464, (1.24, 34.54, 76.36, 93.36, 97.94)),
    ),
    Contribution(
        "+ contrastive", Tower.CONTRASTIVE, True, True, True, Cells.SEMANTIC, Answer.CENTROID, "+ semantic cells",
        Published(91.14, 251.9, 50.01, 4522, (1.32, 34.96, 78.48, 94.82, 98.48)),
    ),
    Contribution(
        "+ refinement", Tower.CONTRASTIVE, True, True, True, Cells.SEMANTIC, Answer.PAPER, "+ contrastive",
        Published(91.96, 251.6, 44.35, 4525, (5.36, 40.36, 78.28, 94.52, 98.56)),
    ),
    Contribution(
        "our refinement instead", Tower.CONTRASTIVE, True, True, True, Cells.SEMANTIC, Answer.GATED,
        "+ refinement", None,
    ),
    Contribution(
        "no captions, as many steps", Tower.LONGER, True, True, True, Cells.SEMANTIC, Answer.CENTROID,
        "+ semantic cells", None,
    ),
)  # fmt: skip
"""The poster's eight rows; ours in place of the eighth; and a control of the seventh, on descriptions alone. The published contrastive row has its last block trained as well, as the paper
prints it; the full model has it frozen, as here."""
