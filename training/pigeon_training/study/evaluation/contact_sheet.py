"""Photographs worth looking at, side by side, each with what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from pigeon_edge.images.photograph import read_pixels
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.study.evaluation.examples import Example
from pigeon_training.study.evaluation.figure import INK, new_figure

COLUMNS = 6
TILE = PreprocessSpec(224)


def contact_sheet(examples: Sequence[Example], title: str) -> Figure:
    """Return the photographs in rows of six, with error, radius and countries. Raises InputError where one is gone."""
    rows = -(-len(examples) // COLUMNS)
    figure = new_figure(COLUMNS * 1.75, 2.3 * rows + 0.25)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=INK)
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, example in zip(grid, examples, strict=False):
        axes.imshow(read_pixels(example.path, TILE))
        axes.set_title(_caption(example), fontsize=7.5, color=INK, loc="left")
    return figure


def _caption(example: Example) -> str:
    lines = [f"{example.error_km:,.0f} km off"]
    if example.radius_km is not None:
        lines.append(f"radius {example.radius_km:,.0f} km")
    elif example.entropy_nats is not None:
        lines.append(f"entropy {example.entropy_nats:.2f} nats")
    if example.true_country:
        lines.append(f"{example.true_country}, answered {example.country or 'no country'}")
    return "\n".join(lines)
