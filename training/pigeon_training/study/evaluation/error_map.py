"""The map of errors as a picture: where photographs were taken, how far off the answers are, and where they went."""

from __future__ import annotations

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from pigeon_edge.geodesy import wrap_lng
from pigeon_training.cells.map_picture import BORDER, LAND, SEA
from pigeon_training.data.geography.antimeridian import Shapes
from pigeon_training.study.evaluation.figure import INK, new_figure
from pigeon_training.study.evaluation.metrics import THRESHOLDS_KM
from pigeon_training.study.evaluation.predictions import Doubles, Predictions

COLOURS = ("#2b6e4f", "#3f9a68", "#9cc069", "#efc34f", "#e07b39", "#a5281f")
"""Of errors up to 1, 25, 200, 750, 2500 km, and beyond."""

HALF_EARTH_KM = 20_016.0
LINE_LIMIT = 400
"""More photographs than this, and their lines hide the map: the farthest off alone have one."""


def error_map(predictions: Predictions, borders: Shapes | None) -> Figure:
    """Return an equirectangular map: a dot at each truth in the colour of its error, a line to the answer.

    ``borders`` are polygons, longitude first, drawn beneath.
    """
    figure = new_figure(10.4, 4.9)
    axes = figure.subplots()
    axes.set_facecolor(_rgb(SEA))
    if borders is not None:
        _draw_land(axes, borders)
    norm, colours = BoundaryNorm([0.0, *THRESHOLDS_KM, HALF_EARTH_KM], len(COLOURS)), ListedColormap(COLOURS)
    farthest_last = np.argsort(predictions.error_km, kind="stable")
    lined = farthest_last[-LINE_LIMIT:]
    lines = LineCollection(
        list(segments(predictions.truth_lat_lng[lined], predictions.lat_lng[lined])), cmap=colours, norm=norm, zorder=2,
        linewidths=0.9, alpha=0.55, array=np.tile(predictions.error_km[lined], 2),
    )  # fmt: skip
    axes.add_collection(lines)
    ends = predictions.of(lined)
    axes.scatter(
        wrap_lng(ends.lat_lng[:, 1]), ends.lat_lng[:, 0], c=ends.error_km, cmap=colours, norm=norm, s=9,
        marker="x", linewidths=0.7, zorder=2,
    )  # fmt: skip
    shown = predictions.of(farthest_last)
    dots = axes.scatter(
        shown.truth_lat_lng[:, 1], shown.truth_lat_lng[:, 0], c=shown.error_km, cmap=colours, norm=norm, s=13,
        edgecolors="white", linewidths=0.3, zorder=3,
    )  # fmt: skip
    _frame(axes)
    bar = figure.colorbar(dots, ax=axes, shrink=0.92, pad=0.015, ticks=THRESHOLDS_KM)
    bar.ax.set_yticklabels([f"{limit:,.0f}" for limit in THRESHOLDS_KM], color=INK)
    bar.set_label("great-circle error, km", color=INK)
    axes.set_title(_title(len(predictions), len(lined)), loc="left", fontsize=10, color=INK)
    return figure


def segments(start_lat_lng: Doubles, end_lat_lng: Doubles) -> Doubles:
    """Return (2 N, 2, 2) lines, longitude first, the short way round; across the antimeridian on both its sides.

    The second N are the first N shifted by a full turn to where their end lies; most lie outside of the map.
    """
    lat, lng = start_lat_lng[:, 0], wrap_lng(start_lat_lng[:, 1])
    end = lng + wrap_lng(end_lat_lng[:, 1] - lng)  # within half a turn of the start
    lines = np.stack([np.column_stack([lng, lat]), np.column_stack([end, end_lat_lng[:, 0]])], axis=1)  # (N, 2, 2)
    turn = np.where(end >= 0, -360.0, 360.0)
    shifted = lines + np.stack([turn, np.zeros_like(turn)], axis=1)[:, None, :]
    return np.concatenate([lines, shifted])


def _draw_land(axes: Axes, borders: Shapes) -> None:
    rings = shapely.get_exterior_ring(shapely.get_parts(borders))
    patches = [Polygon(shapely.get_coordinates(ring)) for ring in rings]
    land = PatchCollection(patches, facecolor=_rgb(LAND), edgecolor=_rgb(BORDER), linewidths=0.35, zorder=1)
    axes.add_collection(land)


def _frame(axes: Axes) -> None:
    axes.set_xlim(-180, 180)
    axes.set_ylim(-90, 90)
    axes.set_aspect("equal")
    axes.set_xticks(range(-180, 181, 60), [_degrees(value, "W", "E") for value in range(-180, 181, 60)])
    axes.set_yticks(range(-90, 91, 30), [_degrees(value, "S", "N") for value in range(-90, 91, 30)])
    axes.tick_params(colors=INK, labelsize=8.5)
    axes.grid(color="white", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)


def _degrees(value: int, negative: str, positive: str) -> str:
    letter = negative if value < 0 else positive if value > 0 else ""
    return f"{abs(value)}°{letter}"


def _title(photographs: int, lines: int) -> str:
    every = (
        "lines lead to the answers, x"
        if lines == photographs
        else f"lines lead to the {lines:,} answers farthest off, x"
    )
    return f"{photographs:,} photographs where they were taken, coloured by error; {every}"


def _rgb(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
