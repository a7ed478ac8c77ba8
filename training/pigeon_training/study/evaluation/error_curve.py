"""The error curve as a picture: the share of photographs within every distance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pigeon_training.study.evaluation.figure import INK, LINES, PALE, new_figure, plain
from pigeon_training.study.evaluation.metrics import THRESHOLDS_KM, bootstrap, mean_of, percent_within
from pigeon_training.study.evaluation.predictions import Doubles, Ints
from pigeon_training.study.evaluation.table import LABELS

NAMES = ("street", "city", "region", "country", "continent")
NEAREST_KM, FARTHEST_KM = 0.5, 20_100.0
STEPS = 160


def error_curve(error_km: Mapping[str, Doubles], place: Ints) -> Figure:
    """Return the curves of errors (N,) by name (``ours``, and what it is compared with), with a 95 % band of ours.

    ``place`` (N,) numbers the photographs' places.
    """
    figure = new_figure(8.2, 4.8)
    axes = figure.subplots()
    limits = np.geomspace(NEAREST_KM, FARTHEST_KM, STEPS)
    ours = error_km["ours"]
    band = bootstrap(mean_of((ours[:, None] <= limits) * 100.0), place)
    low, high = np.array(band).T
    axes.fill_between(limits, low, high, color=LINES["ours"], alpha=0.18, linewidth=0)
    for name, errors in error_km.items():
        shares = percent_within(errors, limits.tolist())
        label = f"{LABELS[name]}, median {np.median(errors):,.0f} km"
        axes.plot(limits, shares, color=LINES[name], label=label, linewidth=2.2 if name == "ours" else 1.4)
    _mark_thresholds(axes)
    _describe(axes, len(ours), len(np.unique(place)))
    return figure


def _mark_thresholds(axes: Axes) -> None:
    for limit, name in zip(THRESHOLDS_KM, NAMES, strict=True):
        axes.axvline(limit, color=PALE, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.annotate(
            name, (limit, 1.01), xycoords=("data", "axes fraction"), ha="center", va="bottom", color=INK, fontsize=8.5
        )


def _describe(axes: Axes, photographs: int, places: int) -> None:
    plain(axes)
    axes.set_xscale("log")
    axes.set_xlim(NEAREST_KM, FARTHEST_KM)
    axes.set_ylim(0, 100)
    ticks = [*THRESHOLDS_KM, 10_000.0]
    axes.set_xticks(ticks, [f"{limit:,.0f}" for limit in ticks])
    axes.minorticks_off()
    axes.set_xlabel("great-circle error, km (logarithmic)", color=INK)
    axes.set_ylabel("% of photographs within", color=INK)
    axes.set_title(f"{photographs:,} photographs of {places:,} places; band: 95 % by bootstrap", loc="left", pad=20,
                   fontsize=10, color=INK)  # fmt: skip
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=INK)
