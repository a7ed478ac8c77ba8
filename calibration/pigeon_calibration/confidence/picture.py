"""The report as a picture: are probabilities, radii and claims as good as they say?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pigeon_calibration.confidence.report import TOLERANCE, ClaimKept, Coverage, Report
from pigeon_calibration.confidence.temperature import Bin, calibration_error
from pigeon_edge.files import replacing

DPI = 110
INK, PALE = "#2d3440", "#c3c9d1"
OURS, RIVAL = "#b4442f", "#8a93a0"
DISTANCES = ("#b4442f", "#d99a4e", "#4f8a6b", "#5b7fa6")
"""Colours of the distances that are claimed, the nearest first."""

FEWEST = 20
"""Photographs in a bin that is drawn: the share of fewer says nothing."""

_SMALL = 8.5


def write_picture(path: Path, report: Report, risk: float) -> None:
    """Write the three diagrams of a report as a PNG, by rename; ``risk`` is the one that claims may have."""
    figure = Figure(figsize=(13.2, 4.7), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3)
    _reliability(left, report.before, report.after)
    _coverage(middle, report.levels, report.coverage)
    _risk(right, report.claims, risk)
    with replacing(path) as scratch:
        figure.savefig(scratch, format="png", pil_kwargs={"optimize": True})


def _reliability(axes: Axes, before: Sequence[Bin], after: Sequence[Bin]) -> None:
    _square(axes, "Is the best geocell as likely as stated?", "stated probability", "right")
    for bins, colour, name in ((before, RIVAL, "as trained"), (after, OURS, "with temperature")):
        drawn = [each for each in bins if each.photographs >= FEWEST]
        most = max(each.photographs for each in bins)
        stated, right = [each.probability for each in drawn], [each.right for each in drawn]
        axes.plot(stated, right, color=colour, linewidth=1.6, label=f"{name}: off by {calibration_error(bins):.1%}")
        axes.scatter(stated, right, [10 + 70 * each.photographs / most for each in drawn], color=colour, zorder=3)
    title = "larger dots: more photographs"
    axes.legend(loc="lower right", frameon=False, fontsize=_SMALL, labelcolor=INK, title=title, title_fontsize=_SMALL)


def _coverage(axes: Axes, levels: Sequence[tuple[float, float]], promises: Sequence[Coverage]) -> None:
    _square(axes, "Does the truth lie within the radius?", "promised", "found on unseen photographs")
    axes.fill_between([0, 1], [-TOLERANCE, 1 - TOLERANCE], [TOLERANCE, 1 + TOLERANCE], color=PALE, alpha=0.6, lw=0)
    axes.plot(*zip(*levels, strict=True), color=OURS, linewidth=1.6, label="any share, fitted alike")
    for promise in promises:
        found = promise.found
        spans = [[found.share - found.low], [found.high - found.share]]
        axes.errorbar(promise.promised, found.share, spans, color=OURS, fmt="o", markersize=7, capsize=3, zorder=4)
        axes.annotate(
            f"{promise.promised:.0%} radius: {found.share:.1%}\nmedian {promise.median_radius_km:,.0f} km",
            (promise.promised, found.share), xytext=(-14, 2), textcoords="offset points", color=INK, fontsize=_SMALL,
            ha="right",
        )  # fmt: skip
    promised = [promise.promised for promise in promises for _ in promise.thirds]
    thirds = [third.share for promise in promises for third in promise.thirds]
    axes.scatter(promised, thirds, 70, marker="_", color=INK, zorder=5, label="each third by radius")
    axes.legend(loc="lower right", frameon=False, fontsize=_SMALL, labelcolor=INK)


def _risk(axes: Axes, claims: Sequence[ClaimKept], risk: float) -> None:
    _plain(axes, "How many may claim a distance?", "photographs that claim, the surest first", "wrong of those that do")
    axes.axhline(risk, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(1, risk - 0.008, f"at most {risk:.0%}", ha="right", va="top", color=INK, fontsize=_SMALL)
    for claim, colour in zip(claims, DISTANCES, strict=True):
        within = f"within {claim.within_km:,.0f} km"
        label = f"{within}: never" if claim.wrong is None else f"{within}: {claim.claimed:.0%} of photographs"
        axes.plot([r.claimed for r in claim.curve], [r.risk for r in claim.curve], color=colour, lw=1.8, label=label)
        if claim.wrong is not None:
            axes.scatter([claim.claimed], [claim.wrong.share], 55, color=colour, edgecolor="white", zorder=4)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(0.25, 1.3 * max(each.risk for claim in claims for each in claim.curve)))
    axes.legend(loc="upper left", frameon=False, fontsize=_SMALL, labelcolor=INK)


def _square(axes: Axes, title: str, x: str, y: str) -> None:
    _plain(axes, title, x, y)
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=1.2, zorder=0)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _plain(axes: Axes, title: str, x: str, y: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
