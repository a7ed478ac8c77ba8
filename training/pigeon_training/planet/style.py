"""What countries, regions and towns look like: their styles, and the drawing of styles that differ clearly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Rgb = tuple[int, int, int]

HUES: dict[str, Rgb] = {
    "red": (208, 38, 40),
    "orange": (240, 136, 28),
    "yellow": (246, 214, 48),
    "green": (34, 140, 60),
    "teal": (30, 176, 172),
    "blue": (36, 76, 196),
    "violet": (128, 52, 168),
    "pink": (240, 130, 176),
    "white": (240, 240, 236),
    "black": (36, 36, 42),
}
"""Ten colours far enough apart to survive a change of exposure and white balance."""

WALLS: tuple[Rgb, ...] = (
    (238, 234, 224), (226, 196, 112), (222, 148, 124), (140, 172, 206),
    (160, 190, 140), (164, 116, 84), (132, 132, 138), (204, 160, 204),
)  # fmt: skip
ROOFS: tuple[Rgb, ...] = (
    (196, 70, 44), (72, 78, 92), (62, 110, 76), (56, 92, 150),
    (226, 178, 62), (112, 64, 44), (128, 56, 112), (228, 226, 222),
)  # fmt: skip
ASPHALTS: tuple[Rgb, ...] = ((92, 92, 96), (58, 60, 68), (150, 146, 138), (134, 92, 80))
LINE_PATTERNS = ("solid", "dashed", "double")
POLE_SHAPES = ("cross", "lamp", "mast", "frame")
SIGN_SHAPES = ("disc", "triangle", "square", "diamond")
FLAG_PATTERNS = ("level", "upright", "slanted", "disc")
ROOF_SHAPES = ("gable", "flat", "tall")
FENCES = ("pickets", "wall", "rails")
LANDMARKS = ("tower", "dome", "spire", "arch", "pagoda", "wheel", "pyramid", "twins")
PATTERNS = ("plain", "bands", "halves", "checks")


@dataclass(frozen=True)
class CountryStyle:
    """The look that all regions of a country share."""

    drives_left: bool
    asphalt_rgb: Rgb
    line_rgb: Rgb
    line_pattern: str
    edge_rgb: Rgb | None
    kerb_rgb: Rgb
    pole_shape: str
    pole_rgb: Rgb
    sign_shape: str
    sign_rgb: Rgb
    flag_rgb: tuple[Rgb, Rgb]
    flag_pattern: str
    plate_rgb: Rgb
    roof_shape: str

    def cues(self) -> tuple[object, ...]:
        """Return the sizeable cues; two styles differ by as many cues as differ here."""
        return (
            self.drives_left, self.asphalt_rgb, self.line_rgb, self.kerb_rgb, self.pole_shape, self.pole_rgb,
            self.sign_shape, self.sign_rgb, self.flag_rgb, self.flag_pattern, self.roof_shape,
        )  # fmt: skip


@dataclass(frozen=True)
class RegionStyle:
    """The look of one region within its country."""

    roof_rgb: Rgb
    wall_rgb: Rgb
    sign_rgb: Rgb
    fence_rgb: Rgb
    fence: str

    def cues(self) -> tuple[object, ...]:
        """Return the sizeable cues."""
        return self.roof_rgb, self.wall_rgb, self.sign_rgb, self.fence_rgb, self.fence


@dataclass(frozen=True)
class Landmark:
    """What the photographs of one town have in common: a building on the skyline and two town colours."""

    kind: str
    rgb: tuple[Rgb, Rgb]
    pattern: str


def differing(a: tuple[object, ...], b: tuple[object, ...]) -> int:
    """Return how many cues differ."""
    return sum(x != y for x, y in zip(a, b, strict=True))


def country_styles(count: int, rng: np.random.Generator) -> list[CountryStyle]:
    """Return styles any two of which differ in many cues: each is the candidate farthest from all before it."""
    chosen: list[CountryStyle] = []
    for _ in range(count):
        candidates = [_random_country(rng) for _ in range(60)]
        chosen.append(max(candidates, key=lambda style: _separation(style, chosen)))
    return chosen


def _separation(style: CountryStyle, others: list[CountryStyle]) -> float:
    gaps = [differing(style.cues(), other.cues()) for other in others]
    return min(gaps) + sum(gaps) / (100.0 * len(gaps)) if gaps else 0.0


def _random_country(rng: np.random.Generator) -> CountryStyle:
    hues = list(HUES.values())
    pick = [hues[i] for i in rng.permutation(len(hues))]
    lines = [HUES[name] for name in ("white", "yellow", "orange", "teal")]
    edges = [None, HUES["white"], HUES["yellow"]]
    return CountryStyle(
        drives_left=bool(rng.random() < 0.4),
        asphalt_rgb=ASPHALTS[rng.integers(len(ASPHALTS))],
        line_rgb=lines[rng.integers(len(lines))],
        line_pattern=LINE_PATTERNS[rng.integers(len(LINE_PATTERNS))],
        edge_rgb=edges[rng.integers(len(edges))],
        kerb_rgb=pick[0],
        pole_shape=POLE_SHAPES[rng.integers(len(POLE_SHAPES))],
        pole_rgb=pick[1],
        sign_shape=SIGN_SHAPES[rng.integers(len(SIGN_SHAPES))],
        sign_rgb=pick[2],
        flag_rgb=(pick[3], pick[4]),
        flag_pattern=FLAG_PATTERNS[rng.integers(len(FLAG_PATTERNS))],
        plate_rgb=pick[5],
        roof_shape=ROOF_SHAPES[rng.integers(len(ROOF_SHAPES))],
    )


def region_styles(count: int, rng: np.random.Generator) -> list[RegionStyle]:
    """Return styles for the regions of one country, at most 8, no two with a colour of roofs or walls in common."""
    hues = list(HUES.values())
    roofs, walls = rng.permutation(len(ROOFS)), rng.permutation(len(WALLS))
    signs, fences = rng.permutation(len(hues)), rng.permutation(len(hues))
    return [
        RegionStyle(ROOFS[roofs[i]], WALLS[walls[i]], hues[signs[i]], hues[fences[i]], FENCES[i % len(FENCES)])
        for i in range(count)
    ]


def landmarks(count: int, rng: np.random.Generator) -> list[Landmark]:
    """Return landmarks of which no two are alike in kind, colours and pattern together."""
    hues = [rgb for name, rgb in HUES.items() if name != "black"]
    pairs = [(a, b) for a in hues for b in hues if a != b]
    total = len(LANDMARKS) * len(pairs) * len(PATTERNS)
    return [_landmark_at(int(code), pairs) for code in rng.permutation(total)[:count]]


def _landmark_at(code: int, pairs: list[tuple[Rgb, Rgb]]) -> Landmark:
    rest, kind = divmod(code, len(LANDMARKS))
    pair, pattern = divmod(rest, len(PATTERNS))
    return Landmark(LANDMARKS[kind], pairs[pair], PATTERNS[pattern])
