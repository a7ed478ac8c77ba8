"""An empty figure in the project's colours, and a figure as a PNG file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pigeon_edge.files import replacing

DPI = 110
INK, PALE = "#2d3440", "#c3c9d1"
LINES = {"ours": "#b4442f", "by_centroid": "#d99a4e", "nearest_pixels": "#5b7fa6", "constant_guess": "#8a93a0"}
"""Colours of what is compared, the same in every picture."""


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure that is drawn in memory, without a window."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(axes: Axes) -> None:
    """Take away the frame's upper and right side, and draw what is left in ink."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK)


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure by rename."""
    with replacing(path) as scratch:
        figure.savefig(scratch, format="png", pil_kwargs={"optimize": True})
